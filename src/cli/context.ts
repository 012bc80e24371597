import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { SwarmError, messageOf } from "../lib/index.js";
import { suggestion } from "./parse/suggest.js";

/** A cluster to talk to: the run directories of hosts of it that can be reached from here, tried in this order. */
export interface Context { readonly sockets: readonly string[] }
interface ContextFile { current: string; contexts: Record<string, Context> }

/** With no context chosen, the host's own daemon. */
export const defaultRunDir = "/run/skein";
export const defaultContext = "default";

/** ~/.config/skein/contexts.json. Written whole and renamed, so that a reader never sees half of it. */
export class ContextStore {
  constructor(readonly path: string) {}

  static inHome(environment: Readonly<Record<string, string | undefined>>): ContextStore {
    const base = environment["XDG_CONFIG_HOME"] || join(environment["HOME"] || "/root", ".config");
    return new ContextStore(join(base, "skein/contexts.json"));
  }

  list(): { name: string; isCurrent: boolean; sockets: readonly string[] }[] {
    const file = this.#read();
    const own = { name: defaultContext, isCurrent: file.current === defaultContext, sockets: [defaultRunDir] };
    return [own, ...Object.entries(file.contexts).map(([name, context]) => ({ name, isCurrent: name === file.current, sockets: context.sockets }))];
  }

  get current(): string { return this.#read().current; }

  get(name: string): Context {
    if (name === defaultContext) return { sockets: [defaultRunDir] };
    const { contexts } = this.#read();
    const context = Object.hasOwn(contexts, name) ? contexts[name] : undefined;
    if (context) return context;
    const near = suggestion(name, Object.keys(contexts));
    throw new SwarmError("NOT_FOUND", `There is no context "${name}"${near ? `; did you mean "${near}"?` : "."} "swarmctl context ls" lists them.`);
  }

  /** Creates or replaces. */
  set(name: string, context: Context): void {
    if (!/^[a-zA-Z0-9][\w.-]*$/.test(name) || name === defaultContext) {
      throw new SwarmError("INVALID_ARGUMENT", `A context cannot be named "${name}": use letters, digits, ".", "_" and "-", and not the word "${defaultContext}".`);
    }
    const file = this.#read();
    file.contexts[name] = context;
    this.#write(file);
  }

  use(name: string): void {
    this.get(name);
    this.#write({ ...this.#read(), current: name });
  }

  /** Removing the current one makes the host's own daemon current. */
  remove(name: string): void {
    if (name === defaultContext) throw new SwarmError("FAILED_PRECONDITION", `Cannot remove the context "${defaultContext}": it always means this host's own daemon.`);
    this.get(name);
    const file = this.#read();
    delete file.contexts[name];
    this.#write({ ...file, current: file.current === name ? defaultContext : file.current });
  }

  #read(): ContextFile {
    let text: string;
    try { text = readFileSync(this.path, "utf8"); } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return { current: defaultContext, contexts: {} };
      throw new SwarmError("FAILED_PRECONDITION", `Cannot read the contexts in "${this.path}": ${messageOf(error)}.`, { cause: error });
    }
    try {
      const parsed = JSON.parse(text) as Partial<ContextFile>;
      const contexts: Record<string, Context> = {};
      for (const [name, context] of Object.entries(parsed.contexts ?? {})) contexts[name] = { sockets: context.sockets.map(String) };
      return { current: parsed.current !== undefined && Object.hasOwn(contexts, parsed.current) ? parsed.current : defaultContext, contexts };
    } catch (error) {
      throw new SwarmError("FAILED_PRECONDITION", `The file of contexts "${this.path}" is damaged: ${messageOf(error)}; mend or delete it.`, { cause: error });
    }
  }

  #write(file: ContextFile): void {
    mkdirSync(dirname(this.path), { recursive: true });
    const fresh = `${this.path}.${process.pid}.tmp`;
    writeFileSync(fresh, `${JSON.stringify(file, undefined, 2)}\n`, { mode: 0o600 });
    renameSync(fresh, this.path);
  }
}
