import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { home, root, type Result } from "../run.js";

const boundSeconds = 60;
/** Reads names of files; each is a script, whose input, output and complaints are files beside it. Answers with exit codes. */
const loop = `while read -r script; do cat "$script.in" | timeout -s KILL ${boundSeconds} sh "$script" >"$script.out" 2>"$script.err"; echo $?; done`;

/** One shell on a lab's host that runs scripts one after the other: entering the host for each would take most of a long tour's time. */
export class HostShell {
  readonly #directory = join(home, "shell");
  readonly #child: ChildProcess;
  readonly #codes: AsyncIterator<string>;
  #count = 0;

  constructor(lab: string, host: string, environment: Readonly<Record<string, string>>) {
    mkdirSync(this.#directory, { recursive: true });
    const assignments = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    this.#child = spawn(join(root, "bin/swarmctl"), ["lab", "exec", "--name", lab, host, "--", "env", ...assignments, "sh", "-c", loop], { stdio: ["pipe", "pipe", "ignore"], env: { ...process.env, HOME: home } });
    this.#codes = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** What the script did; one at a time. Code 137: it was killed after a minute. */
  async run(script: string, input = ""): Promise<Result> {
    const path = join(this.#directory, String(++this.#count));
    writeFileSync(path, script);
    writeFileSync(`${path}.in`, input);
    this.#child.stdin!.write(`${path}\n`);
    const { value, done } = await this.#codes.next();
    if (done) throw new Error("The shell on the host has ended");
    const text = (suffix: string) => readFileSync(`${path}.${suffix}`, "utf8");
    return { code: Number(value), stdout: text("out"), stderr: text("err") };
  }

  close(): void { this.#child.stdin!.end(); }
}
