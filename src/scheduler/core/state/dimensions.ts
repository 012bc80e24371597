import { Interner } from "./columns.js";

/**
 * What a node has an amount of. The first four are always there; the others are the kinds of generic resources, counted ("generic/apple").
 * Amounts are whole numbers (exact in a double up to 2^53), so that adding and subtracting never drifts. GPUs are not among them: a share
 * of one device is no share of another (gpus.ts).
 */
export const cpu = 0;        // thousandths of a core
export const memory = 1;     // bytes
export const disk = 2;       // bytes of ephemeral storage
export const pids = 3;
export const fixedDimensions = ["cpu", "memory", "disk", "pids"] as const;

export type Dimensions = Interner;
export const newDimensions = (): Dimensions => new Interner(fixedDimensions);
export const genericDimension = (kind: string): string => `generic/${kind}`;
