import type { ProjectQuota } from "../../../model/index.js";
import { amountText, wordOf } from "../filters/index.js";
import { genericDimension, unlimited, type ClusterState } from "../state/index.js";

/** What the tasks of a project hold, and how much they may. Amounts by the dimension's name: rows differ between states. */
interface Account { tasks: number; readonly held: Map<string, number>; limits: ReadonlyMap<string, number>; maxTasks: number }

/** Of GPUs thousandths are counted, of shared ones too. */
const gpu = "gpu";

/** Quotas of projects. A task counts from its placement to its end. Tasks of no project cost nothing here. */
export class Quotas {
  readonly #accounts = new Map<string, Account>();

  /** Returns the projects that may have more than before. */
  setLimits(quotas: readonly ProjectQuota[]): string[] {
    const before = new Map([...this.#accounts].map(([project, { limits, maxTasks }]) => [project, { limits, maxTasks }]));
    for (const account of this.#accounts.values()) { account.limits = noLimits; account.maxTasks = 0; }
    for (const { project, limits, tasks } of quotas) {
      const account = this.#account(project);
      account.maxTasks = tasks;
      account.limits = new Map(([
        ["cpu", limits?.cpuMillis ?? 0], ["memory", limits?.memoryBytes ?? 0], ["disk", limits?.diskBytes ?? 0], ["pids", limits?.pids ?? 0], [gpu, 1000 * (limits?.gpu?.count ?? 0)],
        ...(limits?.generic ?? []).map(({ kind, count }) => [genericDimension(kind), count] as const),
      ] as const).filter(([, limit]) => limit > 0));
    }
    return [...before].filter(([project, { limits, maxTasks }]) => {
      const account = this.#accounts.get(project)!;
      return account.maxTasks !== maxTasks || account.limits.size !== limits.size || [...limits].some(([name, limit]) => account.limits.get(name) !== limit);
    }).map(([project]) => project);
  }

  /** `count` tasks of `g` were placed, or (negative) ended. */
  count(state: ClusterState, g: number, count: number): void {
    const { project } = state.groups.rules[g]!;
    if (project === "") return;
    const account = this.#account(project);
    account.tasks += count;
    for (const [name, amount] of amountsOf(state, g)) account.held.set(name, (account.held.get(name) ?? 0) + count * amount);
  }

  /** How many more tasks of `g` its project may have. */
  room(state: ClusterState, g: number): number {
    const { project } = state.groups.rules[g]!;
    if (project === "") return unlimited;
    const account = this.#accounts.get(project);
    if (!account) return unlimited;
    let room = account.maxTasks > 0 ? account.maxTasks - account.tasks : unlimited;
    if (account.limits.size > 0) {
      for (const [name, amount] of amountsOf(state, g)) {
        const limit = account.limits.get(name);
        if (limit !== undefined) room = Math.min(room, Math.floor((limit - (account.held.get(name) ?? 0)) / amount));
      }
    }
    return Math.max(0, room);
  }

  /** Why there is no room: "project team-a has 40 of 40 CPUs reserved; needs 2 more". */
  refusals(state: ClusterState, g: number): string[] {
    const { project } = state.groups.rules[g]!;
    const account = this.#accounts.get(project);
    if (project === "" || !account) return [];
    const refusals: string[] = [];
    if (account.maxTasks > 0 && account.tasks >= account.maxTasks) refusals.push(`project ${project} has ${account.tasks} of ${account.maxTasks} tasks`);
    for (const [name, amount] of amountsOf(state, g)) {
      const limit = account.limits.get(name), held = account.held.get(name) ?? 0;
      if (limit === undefined || held + amount <= limit) continue;
      refusals.push(`project ${project} has ${amountText(name, held)} of ${amountText(name, limit)} ${plural(name)} reserved; needs ${amountText(name, amount)} more`);
    }
    return refusals;
  }

  /** What a project holds, for tests and the audit: "tasks" and amounts by name. */
  held(project: string): ReadonlyMap<string, number> {
    const account = this.#accounts.get(project);
    return new Map(account ? [["tasks", account.tasks], ...account.held] : []);
  }

  get projects(): Iterable<string> { return this.#accounts.keys(); }

  #account(project: string): Account {
    let account = this.#accounts.get(project);
    if (!account) this.#accounts.set(project, account = { tasks: 0, held: new Map(), limits: noLimits, maxTasks: 0 });
    return account;
  }
}

const noLimits: ReadonlyMap<string, number> = new Map();

const plural = (name: string): string => (name === "cpu" ? "CPUs" : name === gpu ? "GPUs" : wordOf(name));

function* amountsOf({ dimensions, requests, groups }: ClusterState, g: number): Iterable<readonly [name: string, amount: number]> {
  const r = groups.request[g]!;
  for (let d = 0; d < requests.amount.length; d++) {
    const amount = requests.amount[d]![r]!;
    if (amount > 0) yield [dimensions.names[d]!, amount];
  }
  if (requests.gpuCount[r]! > 0) yield [gpu, requests.gpuCount[r]! * requests.gpuMillis[r]!];
}
