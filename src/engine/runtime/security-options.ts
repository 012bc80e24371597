import { SwarmError } from "../../lib/index.js";
import type { HostAbilities } from "./host-abilities.js";

export type SeccompChoice = { readonly kind: "default" } | { readonly kind: "unconfined" } | { readonly kind: "profile"; readonly profile: unknown };

export interface Security {
  readonly seccomp: SeccompChoice;
  readonly noNewPrivileges: boolean;
  readonly apparmorProfile: string | undefined;
  readonly selinuxLabels: readonly string[];
  /** No masked and no read-only paths in /proc and /sys. */
  readonly isSystemUnconfined: boolean;
  readonly hasWritableCgroups: boolean;
}

/** Docker's --security-opt, "name=value" or the older "name:value". */
export function parseSecurityOptions(options: readonly string[], host: Pick<HostAbilities, "hasAppArmor" | "hasSelinux">): { readonly security: Security; readonly warnings: readonly string[] } {
  const refuse = (option: string, advice: string): never => { throw new SwarmError("INVALID_ARGUMENT", `security option "${option.slice(0, 100)}" is not valid: ${advice}`); };
  const warnings: string[] = [];
  let security: Security = { seccomp: { kind: "default" }, noNewPrivileges: false, apparmorProfile: undefined, selinuxLabels: [], isSystemUnconfined: false, hasWritableCgroups: false };
  for (const option of options) {
    const [, name = option, value] = /^([a-z-]+)[=:]([\s\S]*)$/.exec(option) ?? [];
    const truth = () => (value === undefined || value === "true" ? true : value === "false" ? false : refuse(option, `write ${name}=true or ${name}=false`));
    switch (name) {
      case "no-new-privileges": security = { ...security, noNewPrivileges: truth() }; break;
      case "writable-cgroups": security = { ...security, hasWritableCgroups: truth() }; break;
      case "seccomp": security = { ...security, seccomp: seccompOf(value ?? "", (advice) => refuse(option, advice)) }; break;
      case "systempaths": if (value !== "unconfined") refuse(option, "write systempaths=unconfined"); security = { ...security, isSystemUnconfined: true }; break;
      case "apparmor":
        if (!value) refuse(option, "name an AppArmor profile, or unconfined");
        if (host.hasAppArmor) security = { ...security, apparmorProfile: value };
        else if (value !== "unconfined") warnings.push(`AppArmor is not enabled on this host; the profile "${value}" is discarded.`);
        break;
      case "label":
        if (!value) refuse(option, "write label=disable or label=type:value");
        if (host.hasSelinux) security = { ...security, selinuxLabels: [...security.selinuxLabels, value!] };
        else if (value !== "disable") warnings.push(`SELinux is not enabled on this host; the label "${value}" is discarded.`);
        break;
      default: refuse(option, "use no-new-privileges, seccomp=…, apparmor=…, label=…, systempaths=unconfined or writable-cgroups=true");
    }
  }
  return { security, warnings };
}

function seccompOf(value: string, refuse: (advice: string) => never): SeccompChoice {
  if (value === "unconfined") return { kind: "unconfined" };
  if (value === "builtin" || value === "default") return { kind: "default" };
  if (value === "") refuse("write seccomp=unconfined, or the profile's JSON");
  try { return { kind: "profile", profile: JSON.parse(value) as unknown }; } catch (error) { return refuse(`the seccomp profile is not JSON (${(error as Error).message}); the engine takes the profile itself, not a file's name`); }
}
