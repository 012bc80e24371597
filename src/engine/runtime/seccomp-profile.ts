import { SwarmError } from "../../lib/index.js";

interface Conditions { readonly caps?: readonly string[]; readonly arches?: readonly string[]; readonly minKernel?: string }
interface Rule {
  readonly names?: readonly string[]; readonly name?: string; readonly action: string; readonly errnoRet?: number;
  readonly args?: readonly { readonly index: number; readonly value: number; readonly valueTwo?: number; readonly op: string }[];
  readonly includes?: Conditions; readonly excludes?: Conditions;
}
interface Profile {
  readonly defaultAction: string; readonly defaultErrnoRet?: number; readonly architectures?: readonly string[]; readonly flags?: readonly string[];
  readonly archMap?: readonly { readonly architecture: string; readonly subArchitectures?: readonly string[] }[];
  readonly listenerPath?: string; readonly listenerMetadata?: string;
  readonly syscalls?: readonly Rule[];
}

/** What decides which of a profile's rules hold. */
export interface ProfileTarget { readonly capabilities: readonly string[]; readonly arch: "amd64" | "arm64"; readonly kernel: string }

const native = { amd64: "SCMP_ARCH_X86_64", arm64: "SCMP_ARCH_AARCH64" } as const;
const actionShape = /^SCMP_ACT_(KILL|KILL_PROCESS|KILL_THREAD|TRAP|ERRNO|TRACE|ALLOW|LOG|NOTIFY)$/;

/** A seccomp profile in Docker's format as the OCI runtime takes it: rules with conditions are decided, archMap becomes a list. Pure. */
export function translateSeccompProfile(value: unknown, target: ProfileTarget): object {
  const refuse = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", `the seccomp profile is not valid: ${why}`); };
  if (typeof value !== "object" || value === null || Array.isArray(value)) return refuse("it is no JSON object");
  const profile = value as Profile;
  if (typeof profile.defaultAction !== "string" || !actionShape.test(profile.defaultAction)) refuse(`its defaultAction is ${JSON.stringify(profile.defaultAction) ?? "missing"}; use SCMP_ACT_ERRNO or another of libseccomp's actions`);
  if (profile.architectures?.length && profile.archMap?.length) refuse("it has both architectures and archMap; give one of the two");
  const rules: readonly Rule[] = profile.syscalls ?? [];
  if (!Array.isArray(profile.syscalls ?? [])) refuse("its syscalls are no list");
  const syscalls = rules.flatMap((rule, i) => {
    if (typeof rule?.action !== "string" || !actionShape.test(rule.action)) refuse(`rule ${i + 1} of its syscalls has the action ${JSON.stringify(rule?.action) ?? "missing"}`);
    if (rule.name && rule.names?.length) refuse(`rule ${i + 1} of its syscalls has both name and names; give one of the two`);
    const names: readonly string[] = rule.names ?? (rule.name ? [rule.name] : []);
    if (!names.every((name) => typeof name === "string")) refuse(`rule ${i + 1} of its syscalls names something that is no text`);
    const { includes = {}, excludes = {} }: { includes?: Conditions; excludes?: Conditions } = rule;
    const holds = (includes.arches ?? [target.arch]).includes(target.arch) && (includes.caps ?? []).every((cap) => target.capabilities.includes(cap)) && isAtLeast(target.kernel, includes.minKernel)
      && !(excludes.arches ?? []).includes(target.arch) && !(excludes.caps ?? []).some((cap) => target.capabilities.includes(cap)) && !(excludes.minKernel && isAtLeast(target.kernel, excludes.minKernel));
    return holds && names.length > 0 ? [{ names, action: rule.action, ...(rule.errnoRet === undefined ? {} : { errnoRet: rule.errnoRet }), ...(rule.args?.length ? { args: rule.args } : {}) }] : [];
  });
  const mapped = profile.archMap?.filter(({ architecture }) => architecture === native[target.arch]).flatMap(({ architecture, subArchitectures = [] }) => [architecture, ...subArchitectures]);
  return {
    defaultAction: profile.defaultAction, ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(profile.flags?.length ? { flags: profile.flags } : {}),
    ...(profile.listenerPath ? { listenerPath: profile.listenerPath, ...(profile.listenerMetadata ? { listenerMetadata: profile.listenerMetadata } : {}) } : {}),
    architectures: profile.architectures ?? mapped ?? [native[target.arch]],
    syscalls,
  };
}

/** "6.1.0-13-amd64" is at least "5.12". */
export function isAtLeast(kernel: string, wanted: string | undefined): boolean {
  if (!wanted) return true;
  const [major = 0, minor = 0] = kernel.split(/[.-]/).map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split(".").map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
