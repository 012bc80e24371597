/**
 * npm test: every test, after the set-up that scripts/bootstrap made. Unit tests run in two groups side by side: what touches the kernel
 * (one after the other, so that no two change the same thing) and what does not; then, side by side too, the stories of cluster-tests/ in two groups, which
 * mostly wait, and the clients that others wrote. The last line is "N passed, N failed".
 *
 *   npm test                     everything
 *   npm test -- --unit           without cluster-tests/
 *   npm test -- PATTERN…         only files whose path holds a pattern
 */
import { conclude, newOutcome, runTests, testsBelow } from "./test-run.js";

const kernelFolders = ["src/engine", "src/overlay", "src/linux", "src/lab", "src/daemon", "src/agent"];

async function main(): Promise<void> {
  const argv = process.argv.slice(2);
  const patterns = argv.filter((argument) => !argument.startsWith("--"));
  const unknown = argv.find((argument) => argument.startsWith("--") && argument !== "--unit");
  if (unknown !== undefined) { process.stderr.write(`npm test: unknown flag "${unknown}": it takes --unit and parts of file names\n`); process.exit(2); }
  const files = ["src", "packages", "scripts", ...(argv.includes("--unit") ? [] : ["cluster-tests"])].flatMap((folder) => testsBelow(folder))
    .filter((file) => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern)));
  if (files.length === 0) { process.stderr.write(`npm test: no test's file has ${patterns.map((pattern) => `"${pattern}"`).join(" or ")} in its path\n`); process.exit(2); }

  const clients = files.filter((file) => file.startsWith("cluster-tests/clients/"));
  const stories = files.filter((file) => file.startsWith("cluster-tests/") && !clients.includes(file));
  const kernel = files.filter((file) => kernelFolders.some((folder) => file.startsWith(`${folder}/`)));
  const plain = files.filter((file) => ![clients, stories, kernel].some((group) => group.includes(file)));
  const total = newOutcome();

  await Promise.all([runTests("unit tests", plain, total), runTests("unit tests with the kernel", kernel, total)]);
  await Promise.all([
    runTests("cluster tests", stories.filter((_, i) => i % 2 === 0), total), runTests("more cluster tests", stories.filter((_, i) => i % 2 === 1), total),
    runTests("cluster tests with docker's clients", clients, total),
  ]);
  conclude(total);
}

await main();
