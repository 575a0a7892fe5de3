/** One address and server name, which shows one certificate at a time. */
export interface ServedPlace {
  /** `placeKey()`. */
  readonly key: string;
  /** As configured; an address where the endpoint names one. */
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly sni: string;
}

export function placeKey({ address, port, sni }: Pick<ServedPlace, "address" | "port" | "sni">): string {
  return `${sni}@${address.includes(":") ? `[${address}]` : address}:${port}`;
}

/** What a place showed from one instant to another. Instants are ms since epoch. */
export interface ServedChange {
  readonly place: string;
  /** When it was first seen. */
  readonly since: number;
  /** When it was last seen. */
  readonly lastSeenAt: number;
  /** SHA-256 of the DER leaf, lower-case hex; null: nothing was served, and `code` says why. */
  readonly leaf: string | null;
  /** Fingerprints of what was sent after the leaf, in wire order. */
  readonly chain: readonly string[];
  readonly code: string | null;
}

/** What one connection saw. */
export interface ServedSighting {
  readonly place: ServedPlace;
  /** ms since epoch. */
  readonly at: number;
  /** Leaf first, in wire order; null: no certificate was served. */
  readonly certificates: readonly SeenCertificate[] | null;
  /** Why nothing was served. */
  readonly code: string | null;
}

export interface SeenCertificate {
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
  readonly der: Uint8Array;
  /** SHA-256 of the public key's DER (SubjectPublicKeyInfo), lower-case hex. */
  readonly keyDigest: string;
}

/** Which places: by host name, address or server name, and maybe port. */
export interface ServedQuery {
  readonly name: string;
  readonly port: number | null;
}

/** What every address served, kept by change. Certificates are kept once each. */
export interface ServedStore {
  /** A place's change begins where it shows something else than last; else what it shows was seen once more. */
  record(sightings: readonly ServedSighting[]): Promise<void>;
  /** In order of their keys, at most `limit`. */
  places(query: ServedQuery, limit: number): Promise<ServedPlace[]>;
  /** Newest first. Rows that somebody else wrote are left out. */
  changes(place: string, page: { readonly before?: number; readonly limit: number }): Promise<ServedChange[]>;
  /** What it showed then: the last change that began by that instant; null: nothing is known of that time. */
  at(place: string, at: number): Promise<ServedChange | null>;
  /** DER by fingerprint, of those that are kept. */
  certificates(fingerprints: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>>;
  /** Where a leaf, or any leaf with this public key, was ever seen; newest first. */
  seenAt(of: { readonly leaf: string } | { readonly keyDigest: string }, limit: number): Promise<ServedChange[]>;
  /** Removes changes last seen before, at most `limit`, and what only they needed. Returns how many. */
  forget(before: number, limit: number): Promise<number>;
}
