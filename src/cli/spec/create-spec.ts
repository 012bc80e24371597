import { SwarmError } from "../../lib/index.js";
import { newContainerSpec, newEndpointSpec, newPlacement, newResources, newServiceSpec, newTaskSpec, type ServiceSpec } from "../../model/index.js";
import type { Flags } from "../flags.js";
import { envFileLines, parseEnv } from "../parse/env.js";
import { choose } from "../parse/key-value.js";
import { parseMount } from "../parse/mount.js";
import { parseNetwork } from "../parse/network.js";
import { parsePublish } from "../parse/publish.js";
import { applyFlags, parseHosts, parseLabels, parsePreferences } from "./apply-flags.js";
import { createdPlacement } from "./placement-flags.js";

export interface CreateInput {
  readonly flags: Flags;
  /** IMAGE [COMMAND…] */
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly readFile: (path: string) => string;
  /** For a service without a name. */
  readonly randomSuffix: () => string;
}

/** The whole spec of a new service. Throws INVALID_ARGUMENT with a sentence that names the flag. */
export function createSpec({ flags, words, environment, readFile, randomSuffix }: CreateInput): ServiceSpec {
  const [image = "", ...args] = words;
  const fromFiles = flags.list("env-file").flatMap((path) => parseEnv(envFileLines(readFile(path)), environment, `--env-file ${path}`));
  const mode = choose(flags.text("mode") ?? "replicated", "--mode", { replicated: "REPLICATED", global: "GLOBAL" } as const);
  const { generic, placement } = createdPlacement(flags);
  const ports = flags.list("publish").flatMap((text) => parsePublish(text));
  const spec = newServiceSpec({
    name: flags.text("name") ?? `${nameFromImage(image)}-${randomSuffix()}`,
    labels: parseLabels(flags.list("label"), "--label"),
    mode,
    replicas: mode === "GLOBAL" ? 0 : 1,
    endpoint: newEndpointSpec({ ports }),
    task: newTaskSpec({
      container: newContainerSpec({
        image, args,
        env: lastOfEach([...fromFiles, ...parseEnv(flags.list("env"), environment)]),
        mounts: flags.list("mount").map(parseMount),
        labels: parseLabels(flags.list("container-label"), "--container-label"),
        groups: flags.list("group"),
        hosts: parseHosts(flags.list("host"), "--host"),
        dns: flags.list("dns"),
        sysctls: parseLabels(flags.list("sysctl"), "--sysctl"),
      }),
      reservations: newResources({ generic }),
      placement: newPlacement({ constraints: flags.list("constraint"), spread: parsePreferences(flags.list("placement-pref"), "--placement-pref"), ...placement }),
      networks: flags.list("network").map((text) => parseNetwork(text)),
    }),
  });
  const complete = applyFlags(spec, flags);
  if (complete.endpoint?.mode === "DNSRR" && ports.some((port) => port.mode === "INGRESS")) {
    throw new SwarmError("INVALID_ARGUMENT", "A service with --endpoint-mode dnsrr has no address to balance over: publish its ports with mode=host, or leave the mode out.");
  }
  return complete;
}

/** "registry:5000/team/web-app:2" → "web-app" */
export const nameFromImage = (image: string): string =>
  (image.split("/").at(-1)!.split(/[:@]/)[0]!.replace(/[^a-zA-Z0-9-]+/g, "-").replace(/^-+|-+$/g, "") || "service").slice(0, 50);

/** Of lines with the same key only the last. */
export function lastOfEach(env: readonly string[]): string[] {
  const byKey = new Map<string, string>();
  for (const line of env) { const key = line.split("=", 1)[0]!; byKey.delete(key); byKey.set(key, line); }
  return [...byKey.values()];
}
