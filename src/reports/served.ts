import type { ServedChange, ServedPlace } from "../domain/served.ts";
import { iso } from "./instant.ts";

/** `renewd served --json`: what every address served, by change. Instants are ISO 8601. Text in it is foreign. */
export interface ServedReport {
  readonly version: 1;
  readonly at: string;
  /** The instant that was asked about; null: all that is known. */
  readonly asked: string | null;
  readonly places: readonly ServedPlaceEntry[];
}

export interface ServedPlaceEntry {
  /** Server name, address and port. */
  readonly place: string;
  readonly host: string;
  /** Newest first. */
  readonly changes: readonly ServedChangeEntry[];
  /** There are older ones. */
  readonly more: boolean;
}

export interface ServedChangeEntry {
  /** When it was first and last seen. */
  readonly since: string;
  readonly lastSeen: string;
  /** null: nothing was served, and `code` says why. */
  readonly leaf: ServedCertificateEntry | null;
  /** What was sent after the leaf, in wire order. */
  readonly chain: readonly ServedCertificateEntry[];
  readonly code: string | null;
}

export interface ServedCertificateEntry {
  /** SHA-256 of the DER. */
  readonly fingerprint: string;
  readonly serial: string;
  readonly subject: string;
  readonly issuer: string;
  readonly names: readonly string[];
  readonly notBefore: string;
  readonly notAfter: string;
  /** Such as `ECDSA P-256`. */
  readonly key: string;
  /** SHA-256 of the public key: certificates with the same have one key. */
  readonly keyDigest: string;
}

/** `renewd diff --json`: what differs between two addresses, or two instants of one. */
export interface ServedDiffReport {
  readonly version: 1;
  readonly at: string;
  readonly one: ServedMoment;
  readonly other: ServedMoment;
  readonly same: boolean;
  readonly differences: readonly ServedDifference[];
}

export interface ServedMoment {
  readonly place: string;
  /** The instant that was asked about. */
  readonly asked: string;
  /** null: nothing is known of that time. */
  readonly served: ServedChangeEntry | null;
}

export interface ServedDifference {
  readonly what: "served" | "names" | "issuer" | "notBefore" | "notAfter" | "serial" | "key" | "chain";
  readonly one: string;
  readonly other: string;
}

/** What a certificate says; null: it is not kept any more. */
export type DescribeServed = (fingerprint: string) => ServedCertificateEntry | null;

export function servedChange(change: ServedChange, describe: DescribeServed): ServedChangeEntry {
  const entry = (fingerprint: string): ServedCertificateEntry => describe(fingerprint) ?? forgotten(fingerprint);
  return {
    since: iso(change.since),
    lastSeen: iso(change.lastSeenAt),
    leaf: change.leaf === null ? null : entry(change.leaf),
    chain: change.chain.map(entry),
    code: change.code,
  };
}

function forgotten(fingerprint: string): ServedCertificateEntry {
  const unknown = {
    serial: "",
    subject: "",
    issuer: "",
    names: [],
    notBefore: "",
    notAfter: "",
    key: "",
    keyDigest: "",
  };
  return { fingerprint, ...unknown };
}

export function servedPlace(
  { key, host }: ServedPlace,
  changes: readonly ServedChange[],
  more: boolean,
  describe: DescribeServed,
): ServedPlaceEntry {
  return { place: key, host, changes: changes.map((change) => servedChange(change, describe)), more };
}

/** What differs between what two places, or one at two instants, served. Pure. */
export function differencesOf(one: ServedChangeEntry | null, other: ServedChangeEntry | null): ServedDifference[] {
  const [first, second] = [one?.leaf ?? null, other?.leaf ?? null];
  if (first === null || second === null) {
    const texts = { one: servedText(one), other: servedText(other) };
    return texts.one === texts.other ? [] : [{ what: "served", ...texts }];
  }
  const pairs: readonly (readonly [ServedDifference["what"], string, string])[] = [
    ["names", first.names.toSorted().join(", "), second.names.toSorted().join(", ")],
    ["issuer", first.issuer, second.issuer],
    ["notBefore", first.notBefore, second.notBefore],
    ["notAfter", first.notAfter, second.notAfter],
    ["serial", first.serial, second.serial],
    ["key", keyText(first), keyText(second)],
    ["chain", chainText(one), chainText(other)],
  ];
  return pairs.flatMap(([what, a, b]) => (a === b ? [] : [{ what, one: a, other: b }]));
}

function servedText(change: ServedChangeEntry | null): string {
  if (change === null) return "nothing is known";
  return change.leaf === null ? `nothing (${change.code ?? "no reason is known"})` : `serial ${change.leaf.serial}`;
}

function keyText({ key, keyDigest }: ServedCertificateEntry): string {
  return `${key} ${keyDigest.slice(0, 12)}`;
}

function chainText(change: ServedChangeEntry | null): string {
  const chain = change?.chain ?? [];
  if (chain.length === 0) return "only the leaf";
  return chain.map(({ subject, fingerprint }) => `${subject} ${fingerprint.slice(0, 12)}`).join(", ");
}
