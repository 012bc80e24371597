import { SwarmError } from "../../lib/index.js";

const ofIpc = new Set(["kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"]);

/** Only what belongs to a namespace that is the container's own: anything else would change the host. Pure. */
export function checkSysctls(sysctls: Readonly<Record<string, string>>, shares: { readonly network: boolean; readonly ipc: boolean; readonly uts: boolean }): void {
  for (const name of Object.keys(sysctls)) {
    const refuse = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", `sysctl "${name.slice(0, 100)}" cannot be set for a container: ${why}`); };
    const dotted = name.replaceAll("/", ".");
    if (dotted.startsWith("net.")) { if (shares.network) refuse("it shares the host's network; set it on the host"); }
    else if (ofIpc.has(dotted) || dotted.startsWith("fs.mqueue.")) { if (shares.ipc) refuse("it shares another IPC namespace; set it there"); }
    else if (dotted === "kernel.domainname" || dotted === "kernel.hostname") { if (shares.uts) refuse("it shares the host's UTS namespace"); if (dotted === "kernel.hostname") refuse("use the container's host name"); }
    else refuse("it belongs to the whole host; namespaced are net.*, fs.mqueue.* and kernel.msg*, sem and shm*");
  }
}
