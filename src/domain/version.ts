import type { KeyType } from "./certificate.ts";
import type { Identifier } from "./identifier.ts";
import type { Secret } from "./secret.ts";

/** Facts read from a leaf certificate. Instants are ms since epoch. */
export interface Leaf {
  /** Upper-case hex as printed by OpenSSL, no separators. */
  readonly serial: string;
  /** SHA-256 of the DER, lower-case hex without separators. */
  readonly fingerprint: string;
  readonly identifiers: readonly Identifier[];
  readonly notBefore: number;
  readonly notAfter: number;
  readonly keyType: KeyType | null;
  readonly issuerName: string;
}

/** An issued pair as deployers receive it. */
export interface IssuedCertificate {
  readonly certificate: string;
  readonly generation: number;
  readonly leaf: Leaf;
  readonly leafPem: string;
  /** Intermediates in order, leaf's issuer first; the root is not included. One PEM block each. */
  readonly chainPem: readonly string[];
  /** PKCS#8 PEM. */
  readonly privateKey: Secret;
  /** It is broken on purpose, for an exercise: it takes the place of the pair of the same generation, but of no newer. */
  readonly isBroken?: true;
}

/** One issued pair of a certificate as the database lists it; its key is read separately. */
export interface Version {
  readonly certificate: string;
  readonly generation: number;
  /** Issuer name in configuration, or `imported`. */
  readonly issuer: string;
  /** Directory URL of the CA that issued it; null: imported, or issued by a release that did not record it. */
  readonly directory: string | null;
  readonly leaf: Leaf;
  readonly leafPem: string;
  readonly chainPem: readonly string[];
  readonly keyType: KeyType;
  readonly createdAt: number;
  /** When a handshake on every endpoint proved this version live; null: never. */
  readonly verifiedAt: number | null;
  /** When renewd had it revoked, or learned that it is; null: not known to be. */
  readonly revokedAt: number | null;
  /** Configured names that were left out because their validation kept failing. */
  readonly droppedNames: readonly string[];
}

/** A version whose row in the database is damaged, or was written by a newer release. */
export interface UnreadableVersion extends Pick<Version, "certificate" | "generation"> {
  readonly message: string;
}

/** A serial number in the form of `Leaf.serial`; colons, case and leading zeros do not matter. */
export function canonicalSerial(text: string): string {
  const digits = text
    .replaceAll(":", "")
    .toUpperCase()
    .replace(/^0+(?=.)/, "");
  return digits.length % 2 === 0 ? digits : `0${digits}`;
}

export const IMPORTED = "imported";
