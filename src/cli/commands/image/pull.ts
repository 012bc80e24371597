import { SwarmError } from "../../../lib/index.js";
import { stream } from "../../../rpc/index.js";
import type { ImageProgress } from "../../../gen/swarm/v1/ImageProgress.js";
import type { Command, CommandInput } from "../../command.js";
import { readSecret } from "../../parse/secret.js";
import { forEachWord } from "../../each.js";
import { size } from "../../print/inspect.js";
import { imageName } from "./ls.js";

export default {
  usage: "[OPTIONS] IMAGE…",
  about: "Fetches images from their registries to one host: this one, or the one that --host names.",
  args: { min: 1, max: Infinity },
  flags: [
    { name: "quiet", short: "q", kind: "switch", help: "Print only the ids" },
    { name: "username", kind: "text", value: "NAME", help: "For a registry that asks" },
    { name: "password-file", kind: "text", value: "FILE", help: "File with the password, - for standard input (a password on the command line can be seen by others)" },
    { name: "plain-http", kind: "switch", help: "Without TLS: for a registry on a trusted network" },
  ],
  async run(input) {
    const { flags, args, connection, terminal, signal } = input;
    const engine = await connection.engine();
    const password = flags.has("password-file") ? readSecret(flags.text("password-file")!, "--password-file") : "";
    await forEachWord(args, async (reference) => {
      const view = pullView(input);
      let pulled: ImageProgress["image"] = null;
      for await (const progress of stream<ImageProgress>(engine, "pullImage", { reference, username: flags.text("username") ?? "", password, plainHttp: flags.on("plain-http") }, { signal })) {
        if (progress.image) pulled = progress.image;
        if (progress.status) view.show(progress);
      }
      if (!pulled) throw new SwarmError("INTERNAL", `The pull of "${reference}" ended without an image: see the daemon's log.`);
      terminal.out(flags.on("quiet") ? `${pulled.id}\n` : `${imageName(pulled)} is here (${size(pulled.sizeBytes)}, ${pulled.id.slice(0, 19)})\n`);
    });
  },
} satisfies Command as Command;

/** One line a layer, redrawn on a terminal; without one, a line when a layer's status changes. */
function pullView({ flags, terminal }: CommandInput): { show(progress: ImageProgress): void } {
  if (flags.on("quiet")) return { show() {} };
  const layers = new Map<string, string>();
  if (!terminal.errIsTty) {
    return { show({ id, status }) { if (layers.get(id) !== status) { layers.set(id, status); terminal.err(`${id ? `${id}: ` : ""}${status}\n`); } } };
  }
  let drawn = 0;
  let drawnAt = 0;
  return {
    show({ id, status, currentBytes, totalBytes }) {
      const isNews = !layers.has(id) || !layers.get(id)!.startsWith(status);
      layers.set(id, `${status}${totalBytes > 0 && currentBytes < totalBytes ? `  ${barOf(currentBytes / totalBytes)} ${size(currentBytes)} of ${size(totalBytes)}` : ""}`);
      // Ten pictures a second are as good as a thousand.
      if (!isNews && performance.now() - drawnAt < 100) return;
      drawnAt = performance.now();
      const lines = [...layers].map(([layer, text]) => `${layer ? `${layer}: ` : ""}${text}`.slice(0, terminal.columns - 1));
      terminal.err(`${drawn ? `\u001b[${drawn}A\u001b[J` : ""}${lines.join("\n")}\n`);
      drawn = lines.length;
    },
  };
}

export const barOf = (share: number): string => { const filled = Math.round(Math.min(1, Math.max(0, share)) * 24); return "█".repeat(filled) + "░".repeat(24 - filled); };
