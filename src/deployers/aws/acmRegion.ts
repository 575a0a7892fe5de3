import type { InstalledPair } from "../../domain/deployer.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { IssuedCertificate, Leaf } from "../../domain/version.ts";
import { installedPair, sameCertificates } from "../base/installedPair.ts";
import { pairPem } from "../base/pairPem.ts";
import type { Acm } from "./acmClient.ts";
import { findHeld, findTagged, GENERATION_TAG, generationOf, type Held, type Wanted } from "./acmFind.ts";
import {
  algorithmOf,
  algorithmOfKeyType,
  checkImported,
  checkKeyAlgorithm,
  checkUsages,
  keepsKeyAlgorithm,
} from "./acmRules.ts";
import { type AwsTags, CERTIFICATE_TAG, missingTags, refuseOtherOwner } from "./tags.ts";

/** On an ARN that took another's place: whose, so that people find what is still associated with that. */
const PREVIOUS_TAG = "renewd:previous-arn";

/** The certificate's place in one region. */
export interface AcmPlace {
  readonly acm: Acm;
  /** Configured. */
  readonly arn: string | undefined;
  /** Configured ones, beside renewd's own. */
  readonly tags: AwsTags;
  readonly newArnOnKeyChange: boolean;
}

export interface Placed {
  readonly arn: string;
  /** The ARN it took over from when the key's type or size changed; null: never happened. */
  readonly previousArn: string | null;
}

/**
 * The generation is a tag, raised after the import. After a crash in between, the next attempt sees by the serial that
 * the import is done. A first import carries its tags, so an import that was not recorded is found again and no second
 * ARN is created. ACM offers no compare-and-set; the deployment's fence separates two writers.
 */
export async function deployToRegion(
  place: AcmPlace,
  pair: IssuedCertificate,
  recordedArn: string | null,
  signal: AbortSignal,
): Promise<Placed> {
  const { acm } = place;
  const tags = { ...place.tags, [CERTIFICATE_TAG]: pair.certificate, [GENERATION_TAG]: String(pair.generation) };
  const wanted = { certificate: pair.certificate, leaf: pair.leaf, arn: place.arn, recordedArn };
  const algorithm = algorithmOf(pair.leafPem);

  const current = await findHeld(acm, wanted, signal);
  if (current === null) return { arn: await importPair(acm, pair, null, tags, signal), previousArn: null };
  refuseOtherOwner(current.arn, current.tags, pair.certificate);
  refuseNewer(current, pair);
  checkImported(current.detail);
  if (keepsKeyAlgorithm(current.detail, algorithm)) return await renew(acm, current, pair, tags, signal);

  if (!place.newArnOnKeyChange) checkKeyAlgorithm(current.detail, algorithm);
  // What people tagged the old one with, such as who pays for it. AWS keeps names that begin with `aws:` to itself.
  const theirs = Object.fromEntries(Object.entries(current.tags).filter(([key]) => !key.startsWith("aws:")));
  const moved = { ...theirs, ...tags, [PREVIOUS_TAG]: current.arn };
  const successor = await findSuccessor(acm, wanted, current, pair, signal);
  if (successor === null) return { arn: await importPair(acm, pair, null, moved, signal), previousArn: current.arn };
  return await renew(acm, successor, pair, moved, signal);
}

export async function preflightRegion(
  place: AcmPlace,
  certificate: string,
  leaf: Leaf | null,
  signal: AbortSignal,
): Promise<void> {
  if (leaf === null) return await place.acm.check(signal);
  const held = await findHeld(place.acm, { certificate, leaf, arn: place.arn, recordedArn: null }, signal);
  if (held === null) return;
  refuseOtherOwner(held.arn, held.tags, certificate);
  checkImported(held.detail);
  if (leaf.keyType !== null && !place.newArnOnKeyChange)
    checkKeyAlgorithm(held.detail, algorithmOfKeyType(leaf.keyType));
}

/** The configured ARN, else the recorded one, else the newest with our tags. */
export async function inspectRegion(
  { acm, arn }: AcmPlace,
  certificate: string,
  recordedArn: string | null,
  signal: AbortSignal,
): Promise<InstalledPair> {
  const known = arn ?? recordedArn;
  let [name, held] = [known ?? certificate, known === null ? null : await acm.pem(known, signal)];
  if (held === null && arn === undefined) {
    const [tagged] = await findTagged(acm, { certificate, leaf: null }, signal);
    if (tagged !== undefined) [name, held] = [tagged.arn, await acm.pem(tagged.arn, signal)];
  }
  const shown = `${name} in ${acm.where}`;
  const names = { certificate: shown, key: shown };
  return installedPair({ certificate: held?.leaf ?? null, key: undefined, chain: held?.chain, names });
}

/** The ARN that already took over from `current`: by an attempt that died, or before the key type changed back. */
async function findSuccessor(
  acm: Acm,
  wanted: Wanted,
  current: Held,
  pair: IssuedCertificate,
  signal: AbortSignal,
): Promise<Held | null> {
  const others = (await findTagged(acm, wanted, signal)).filter(({ arn }) => arn !== current.arn);
  for (const other of others) refuseNewer(other, pair);
  const algorithm = algorithmOf(pair.leafPem);
  return others.find(({ detail }) => keepsKeyAlgorithm(detail, algorithm)) ?? null;
}

async function renew(
  acm: Acm,
  held: Held,
  pair: IssuedCertificate,
  tags: AwsTags,
  signal: AbortSignal,
): Promise<Placed> {
  if (!sameSerial(held.detail.Serial, pair.leaf.serial) || !(await sameChain(acm, held.arn, pair, signal))) {
    checkUsages(held.detail, pair.leafPem, algorithmOf(pair.leafPem));
    await importPair(acm, pair, held.arn, null, signal);
  }
  const missing = missingTags(tags, held.tags);
  if (Object.keys(missing).length > 0) await acm.addTags(held.arn, missing, signal);
  return { arn: held.arn, previousArn: tags[PREVIOUS_TAG] ?? held.tags[PREVIOUS_TAG] ?? null };
}

async function importPair(
  acm: Acm,
  pair: IssuedCertificate,
  arn: string | null,
  tags: AwsTags | null,
  signal: AbortSignal,
): Promise<string> {
  const { cert, chain } = pairPem(pair);
  return await acm.import({ arn, cert, chain, privateKey: pair.privateKey, tags }, signal);
}

function refuseNewer({ arn, tags }: Held, pair: IssuedCertificate): void {
  const generation = generationOf(tags);
  if (generation === null || generation <= pair.generation) return;
  throw new RenewalError(
    "deploy.newerGeneration",
    `${arn} holds generation ${generation} of ${pair.certificate} (its tag ${GENERATION_TAG}), so generation ` +
      `${pair.generation} was not imported; ` +
      "another renewd deploys there, or this one's database was lost: then remove that tag",
  );
}

/**
 * Somebody may have imported the same certificate with another chain. Without the right to read it, nothing is
 * compared.
 */
async function sameChain(acm: Acm, arn: string, pair: IssuedCertificate, signal: AbortSignal): Promise<boolean> {
  const held = await acm.pem(arn, signal).catch((error: unknown) => {
    if (error instanceof RenewalError && error.code === "deploy.forbidden") return null;
    throw error;
  });
  return held === null || sameCertificates(held.chain, pairPem(pair).chain);
}

/** ACM writes aa:bb:0c, OpenSSL AABB0C, and neither keeps leading zeros reliably. */
function sameSerial(held: string | undefined, serial: string): boolean {
  const plain = (text: string): string => text.replaceAll(":", "").toUpperCase().replace(/^0+/, "");
  return held !== undefined && plain(held) === plain(serial);
}
