/** A TXT record that people create once, and what DNS says of it now. */
export interface PersistRecord {
  readonly issuer: string;
  readonly name: string;
  readonly value: string;
  /** As in a zone file: strings of at most 255 octets (RFC 1035 §3.3.14). */
  readonly zoneFile: string;
  /** At every authoritative server. `unknown`: the CA may accept what is there. */
  readonly state: "right" | "missing" | "wrong" | "unknown";
  /** Unless `right`: what was found. */
  readonly found: string | null;
}

/** `renewd challenges persist --json`. */
export interface PersistReport {
  readonly version: 1;
  readonly accounts: readonly { readonly issuer: string; readonly url: string }[];
  readonly records: readonly PersistRecord[];
}
