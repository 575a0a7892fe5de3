import { createHash, createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { InstalledPair } from "../../domain/deployer.ts";

/** Texts of one place that may hold a pair. */
export interface HeldPair {
  /** PEM whose first certificate is the leaf; null: there is none. */
  readonly certificate: string | null;
  /** PEM with the private key; null: there is none; undefined: the target never returns it. */
  readonly key: string | null | undefined;
  /** PEM of which every certificate but the leaf is the chain. Left out: this place holds no chain. */
  readonly chain?: string | null | undefined;
  /** What people call the two, such as paths. */
  readonly names: { readonly certificate: string; readonly key: string };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/;
const CERTIFICATES = new RegExp(CERTIFICATE, "g");
/** More are no chain that a CA issues. */
const CHAIN_MAX = 20;
const PRIVATE_KEY = /-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----[^-]+-----END \1-----/;

/** What the texts hold, with a sentence for each defect. No text is ever quoted: it may hold a key. */
export function installedPair(held: HeldPair): InstalledPair {
  const pair = leafAndKey(held);
  if (held.chain == null || pair.fingerprint === null) return pair;
  const found = [...held.chain.matchAll(CERTIFICATES)].slice(0, CHAIN_MAX).map(([pem]) => fingerprintOf(pem));
  return { ...pair, chain: found.filter((fingerprint) => fingerprint !== pair.fingerprint) };
}

/** Whether both texts hold the same certificates in the same order. Other text is ignored. */
export function sameCertificates(held: string, wanted: string): boolean {
  const all = (text: string): string => [...text.matchAll(CERTIFICATES)].map(([pem]) => fingerprintOf(pem)).join();
  return all(held) === all(wanted);
}

function fingerprintOf(pem: string): string {
  const leaf = readCertificate(pem);
  return leaf === null ? "unreadable" : createHash("sha256").update(leaf.raw).digest("hex");
}

function leafAndKey({ certificate, key, names }: HeldPair): InstalledPair {
  const problems: string[] = [];
  const leaf = certificate === null ? null : readCertificate(certificate);
  if (certificate === null) problems.push(`${names.certificate} is missing`);
  else if (leaf === null) problems.push(`${names.certificate} holds no certificate`);
  const fingerprint = leaf === null ? null : createHash("sha256").update(leaf.raw).digest("hex");
  if (key === undefined) return { fingerprint, keyMatches: null, problems };
  const privateKey = key === null ? null : readKey(key);
  if (key === null && (names.key !== names.certificate || certificate !== null))
    problems.push(`${names.key} is missing`);
  else if (key !== null && privateKey === null) problems.push(`${names.key} holds no private key that can be read`);
  if (leaf === null) return { fingerprint, keyMatches: null, problems };
  const keyMatches = privateKey !== null && leaf.checkPrivateKey(privateKey);
  if (privateKey !== null && !keyMatches)
    problems.push(`the private key in ${names.key} does not belong to the certificate in ${names.certificate}`);
  return { fingerprint, keyMatches, problems };
}

function readCertificate(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(CERTIFICATE.exec(pem)?.[0] ?? "");
  } catch {
    return null;
  }
}

function readKey(pem: string): KeyObject | null {
  try {
    return createPrivateKey(PRIVATE_KEY.exec(pem)?.[0] ?? "");
  } catch {
    return null;
  }
}

/** Of several places for one pair the one that differs most from what renewd put there, with the problems of all. */
export function leastHealthy(found: readonly InstalledPair[], wanted: unknown): InstalledPair | null {
  const [first] = found;
  if (first === undefined) return null;
  const bad =
    found.find(({ fingerprint }) => fingerprint === null) ??
    found.find(({ fingerprint }) => typeof wanted === "string" && fingerprint !== wanted) ??
    found.find(({ keyMatches }) => keyMatches === false) ??
    first;
  const problems = [...new Set(found.flatMap((one) => one.problems))];
  if (new Set(found.map(({ fingerprint }) => fingerprint)).size > 1)
    problems.push("its places hold different certificates");
  const chains = found.flatMap(({ chain }) => (chain === undefined ? [] : [chain]));
  if (new Set(chains.map((chain) => chain.join())).size > 1) problems.push("its places hold different chains");
  const [chain] = chains;
  return { ...bad, ...(chain !== undefined && { chain }), problems };
}

/** `wanted`: fingerprint of the last receipt; not a text: not known. */
export function isAsDeployed({ fingerprint, keyMatches, problems }: InstalledPair, wanted: unknown): boolean {
  return fingerprint !== null && fingerprint === wanted && keyMatches !== false && problems.length === 0;
}
