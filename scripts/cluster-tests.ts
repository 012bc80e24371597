/**
 * npm run cluster-tests: the stories of cluster-tests/ alone.
 *
 *   npm run cluster-tests                        on labs on this machine
 *   npm run cluster-tests -- --hosts vagrant     on the virtual machines of vagrant/
 *   npm run cluster-tests -- partition           only files whose path holds a pattern
 */
import { conclude, newOutcome, runTests, testsBelow } from "./test-run.js";

const argv = process.argv.slice(2);
let hosts = "lab";
const patterns: string[] = [];
for (let i = 0; i < argv.length; i++) {
  const argument = argv[i]!;
  if (argument === "--hosts" || argument.startsWith("--hosts=")) hosts = argument.includes("=") ? argument.slice("--hosts=".length) : argv[++i] ?? "";
  else if (argument.startsWith("-")) fail(`unknown flag "${argument}"; it takes --hosts lab|vagrant and parts of file names`);
  else patterns.push(argument);
}
if (hosts !== "lab" && hosts !== "vagrant") fail(`cannot run on "${hosts}" hosts; write --hosts lab or --hosts vagrant`);

const files = testsBelow("cluster-tests").filter((file) => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern)));
if (files.length === 0) fail(`no story's file has ${patterns.map((pattern) => `"${pattern}"`).join(" or ")} in its path`);
const total = newOutcome();
await runTests(`cluster tests on ${hosts} hosts`, files, total, { SKEIN_TEST_HOSTS: hosts });
conclude(total);

function fail(why: string): never {
  process.stderr.write(`npm run cluster-tests: ${why}\n`);
  process.exit(2);
}
