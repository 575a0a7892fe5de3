import { createHash } from "node:crypto";

/** In [0, 1), the same in every process. */
export function unitHash(seed: string): number {
  return createHash("sha256").update(seed).digest().readUInt32BE(0) / 2 ** 32;
}
