import { randomBytes, timingSafeEqual } from "node:crypto";
import { SwarmError, idFromBytes } from "../lib/index.js";

/** SKTKN-1-<base 36 of the CA's sha256, 50 digits>-<secret, 25 digits>: who to trust, and why to be trusted. */
const shape = /^SKTKN-1-([0-9a-z]{50})-([0-9a-z]{25})$/;

/** A new token for the cluster whose root has this hex digest. */
export function generateJoinToken(digest: string): string {
  return `SKTKN-1-${BigInt(`0x${digest}`).toString(36).padStart(50, "0")}-${idFromBytes(randomBytes(17))}`;
}

export interface JoinToken { readonly digest: string; readonly secret: string }

export function parseJoinToken(text: string): JoinToken {
  const trimmed = text.trim();
  if (trimmed === "") throw refuse("it is empty");
  if (!trimmed.startsWith("SKTKN-")) throw refuse(`it does not begin with "SKTKN-1-"`);
  if (!trimmed.startsWith("SKTKN-1-")) throw refuse(`its version "${trimmed.split("-")[1]}" is not known here; upgrade swarmd on this host`);
  const match = shape.exec(trimmed);
  if (!match) throw refuse("a part of it is missing or altered");
  let value = 0n;
  for (const digit of match[1]!) value = value * 36n + BigInt(parseInt(digit, 36));
  const digest = value.toString(16).padStart(64, "0");
  if (digest.length > 64) throw refuse("a part of it is missing or altered");
  return { digest, secret: match[2]! };
}

/** Compares without telling by its duration how much was right. */
export function tokensMatch(given: string, expected: string): boolean {
  const a = Buffer.from(given.trim());
  const b = Buffer.from(expected);
  return expected !== "" && a.length === b.length && timingSafeEqual(a, b);
}

const refuse = (reason: string) => new SwarmError("INVALID_ARGUMENT", `Cannot use the join token: ${reason}; copy it whole from "swarmctl join-token worker" on a manager`);
