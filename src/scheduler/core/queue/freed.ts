/** What has changed for the better since blocked groups were last looked at. */
export class Freed {
  /** Where something was given back, or that are new or other than they were. */
  readonly nodes = new Set<number>();
  readonly changedNodes = new Set<number>();
  /** Host ports, with the nodes on which they were given back. */
  readonly ports = new Map<string, Set<number>>();
  /** Ids of services of which a task has come or gone. */
  readonly services = new Set<string>();
  /** Projects that have less, or may have more. */
  readonly projects = new Set<string>();
  /** Volumes that were given back or are other than they were, as mounts name them: ids, and "group:NAME". */
  readonly volumes = new Set<string>();
  /** Nodes with room for more than were awakened. */
  readonly again = new Set<number>();

  get isEmpty(): boolean { return this.nodes.size === 0 && this.ports.size === 0 && this.services.size === 0 && this.projects.size === 0 && this.volumes.size === 0; }

  port(port: string, n: number): void {
    const nodes = this.ports.get(port);
    if (nodes) nodes.add(n);
    else this.ports.set(port, new Set([n]));
  }

  addAll(other: Freed): void {
    for (const n of other.nodes) this.nodes.add(n);
    for (const n of other.changedNodes) this.changedNodes.add(n);
    for (const [port, nodes] of other.ports) for (const n of nodes) this.port(port, n);
    for (const service of other.services) this.services.add(service);
    for (const project of other.projects) this.projects.add(project);
    for (const volume of other.volumes) this.volumes.add(volume);
  }

  clear(): void {
    this.nodes.clear();
    this.changedNodes.clear();
    this.ports.clear();
    this.services.clear();
    this.projects.clear();
    this.volumes.clear();
  }

  /** Those who were awakened have been placed: the nodes with more room may have some for others. */
  lookAgain(): void {
    for (const n of this.again) { this.nodes.add(n); this.changedNodes.add(n); }
    this.again.clear();
  }
}
