import { createHash, createHmac } from "node:crypto";
import type { IssuedCertificate } from "../../domain/version.ts";
import type { OtherMembers } from "../base/secretLayout.ts";

/** The contents of a version id that renewd created. */
export interface HeldVersion {
  readonly generation: number;
  /** s since epoch. */
  readonly notBeforeS: number;
}

const VERSION = /^renewd-(\d{1,9})-(\d{1,12})-[0-9a-f]{32}$/;

/**
 * The id of a version (AWS: 32 to 64 characters) holds the generation. So it changes with the value in one step, it can
 * be read without the value, and the same deployment always has the same version. A digest of public facts
 * distinguishes pairs, layouts and what others keep beside the pair, because AWS refuses another value under an id it
 * knows.
 */
export function versionId(pair: IssuedCertificate, layout: unknown, others: OtherMembers = {}): string {
  const facts = JSON.stringify([pair.certificate, pair.generation, pair.leafPem, pair.chainPem, layout]);
  const text = JSON.stringify(others);
  // What others keep may be a short password: only who has the key can try which text gives this digest.
  const hash = text === "{}" ? createHash("sha256") : createHmac("sha256", pair.privateKey.reveal()).update(text);
  const digest = hash.update(facts).digest("hex").slice(0, 32);
  return `renewd-${pair.generation}-${Math.floor(pair.leaf.notBefore / 1000)}-${digest}`;
}

/** null: no version, or one that renewd did not create. Then nothing newer is known. */
export function readVersionId(id: string | null): HeldVersion | null {
  const [, generation, notBeforeS] = VERSION.exec(id ?? "") ?? [];
  return generation === undefined || notBeforeS === undefined
    ? null
    : { generation: Number(generation), notBeforeS: Number(notBeforeS) };
}

/**
 * Two pairs of one generation exist only after a lost or restored database, or for an exercise. Then the one issued
 * later wins, or the one that is broken on purpose.
 */
export function isNewer(held: HeldVersion, pair: IssuedCertificate): boolean {
  if (held.generation !== pair.generation) return held.generation > pair.generation;
  return pair.isBroken !== true && held.notBeforeS > Math.floor(pair.leaf.notBefore / 1000);
}
