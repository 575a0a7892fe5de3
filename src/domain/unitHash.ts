import { hash } from "node:crypto";

/** In [0, 1), the same in every process. */
export function unitHash(seed: string): number {
  // In one call: a fleet asks for very many.
  return hash("sha256", seed, "buffer").readUInt32BE(0) / 2 ** 32;
}
