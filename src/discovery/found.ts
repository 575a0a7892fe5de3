/** One pair that a server's configuration names. */
export interface ServedPair {
  readonly server: ServerKind;
  /** Server names of the block; empty where the server chooses by the certificate's own names (HAProxy). */
  readonly names: readonly string[];
  readonly ports: readonly number[];
  /** Absolute path of the file that holds the certificate. */
  readonly certificate: string;
  /** Absolute path; the same as `certificate` where one file holds both. */
  readonly key: string;
  /** The configuration file that says so. */
  readonly place: string;
}

export const SERVER_KINDS = ["nginx", "apache", "haproxy", "caddy"] as const;
export type ServerKind = (typeof SERVER_KINDS)[number];

/** What one server's configuration holds. */
export interface ServerFindings {
  readonly server: ServerKind;
  /** The main configuration file. */
  readonly place: string;
  readonly pairs: readonly ServedPair[];
  /** It answers on port 80, so that renewd's own responder cannot. */
  readonly answersPort80: boolean;
  /** HAProxy: its admin socket, an absolute path; null: none configured, or another server. */
  readonly socket: string | null;
}

/** A certificate that another ACME client renews. */
export interface Lineage {
  readonly client: "certbot" | "acme.sh" | "lego";
  readonly name: string;
  /** As its configuration says; empty: only the certificate tells. */
  readonly names: readonly string[];
  readonly certificate: string;
  readonly key: string;
  /** The CA's directory URL; null: it does not say, or says it by a name of its own. */
  readonly directory: string | null;
  readonly challenge: LineageChallenge;
  /** The shell command that the client runs after a renewal; null: none is known. */
  readonly hook: string | null;
  /** The file that says so. */
  readonly place: string;
}

export type LineageChallenge =
  | { readonly type: "webroot"; readonly directory: string }
  | { readonly type: "http-01" }
  | { readonly type: "dns-01"; readonly provider: string }
  | { readonly type: "unknown" };

/** Everything that was found, and what could not be read. */
export interface Discovery {
  readonly servers: readonly ServerFindings[];
  readonly lineages: readonly Lineage[];
  /** Sentences about files that could not be read; foreign text in them is not sanitized. */
  readonly unreadable: readonly string[];
}
