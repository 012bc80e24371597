import type { KernelStep } from "./step.js";
import type { KernelObservation } from "./observation.js";
import type { Kernel } from "./kernel.js";

export const emptyObservation: KernelObservation = { links: [], addresses: [], forwarding: [], neighbours: [], rules: "" };

/** Records the steps that it is given and answers questions from `observation`, which tests set. */
export class RecordingKernel implements Kernel {
  readonly steps: KernelStep[] = [];
  readonly tools = new Set<string>();
  observation: KernelObservation = emptyObservation;
  namespaces: string[] = [];
  rules = new Map<string, string>();
  /** Set to make the next apply() fail once. */
  failure: Error | undefined;

  async apply(steps: readonly KernelStep[]) {
    if (this.failure) { const failure = this.failure; this.failure = undefined; throw failure; }
    this.steps.push(...steps);
  }
  async observe() { return this.observation; }
  async listRules(netns: readonly (string | undefined)[]) { return netns.map((name) => (name === undefined ? this.observation.rules : this.rules.get(name) ?? "")); }
  async listNamespaces(prefix: string) { return this.namespaces.filter((name) => name.startsWith(prefix)); }
  async hasTool(name: string) { return this.tools.has(name); }
}
