import { createHash } from "node:crypto";
import type { IssuedCertificate } from "../../domain/version.ts";

/** What a version id of ours says. */
export interface HeldVersion {
  readonly generation: number;
  /** s since epoch. */
  readonly notBeforeS: number;
}

const VERSION = /^renewd-(\d{1,9})-(\d{1,12})-[0-9a-f]{32}$/;

/**
 * The id of a version (AWS: 32 to 64 characters) holds the generation, so it changes with the value in one step, can be read
 * without reading the value, and the same deployment makes the same version. A public digest, of nothing secret, tells apart
 * pairs and layouts: AWS refuses another value under an id it knows.
 */
export function versionId(pair: IssuedCertificate, layout: unknown): string {
  const digest = createHash("sha256")
    .update(JSON.stringify([pair.certificate, pair.generation, pair.leafPem, pair.chainPem, layout]))
    .digest("hex")
    .slice(0, 32);
  return `renewd-${pair.generation}-${Math.floor(pair.leaf.notBefore / 1000)}-${digest}`;
}

/** null: nobody's, or not one of ours; then nothing is known that could be newer. */
export function readVersionId(id: string | null): HeldVersion | null {
  const [, generation, notBeforeS] = VERSION.exec(id ?? "") ?? [];
  return generation === undefined || notBeforeS === undefined
    ? null
    : { generation: Number(generation), notBeforeS: Number(notBeforeS) };
}

/** Two pairs of one generation exist only after the database was lost or restored: then the one issued later wins. */
export function isNewer(held: HeldVersion, pair: IssuedCertificate): boolean {
  if (held.generation !== pair.generation) return held.generation > pair.generation;
  return held.notBeforeS > Math.floor(pair.leaf.notBefore / 1000);
}
