import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";

export default {
  usage: "[OPTIONS] NETWORK CONTAINER",
  about: "Attaches a container to a network of its host, also while it runs.",
  args: { min: 2 },
  flags: [{ name: "ip", kind: "text", value: "IP", help: "Its address there" }, { name: "alias", kind: "list", value: "NAME", help: "Further name there" }, nodeFlag],
  async run({ flags, args, connection }) {
    await connection.docker(flags.text("node")).json("POST", `/networks/${encodeURIComponent(args[0]!)}/connect`, { body: { Container: args[1], EndpointConfig: { Aliases: flags.list("alias"), ...(flags.has("ip") ? { IPAMConfig: { IPv4Address: flags.text("ip") } } : {}) } } });
  },
} satisfies Command as Command;
