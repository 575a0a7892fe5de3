import type { DiscoverySourceName, FoundCertificate, FoundPlace } from "./inventory.ts";

/** Where a source says what it finds, while it looks. */
export interface DiscoveryReport {
  found(certificate: FoundCertificate, place: Omit<FoundPlace, "source">): void;
  /** A name and port where a certificate may be served: dialled later, where dialling is asked for. */
  candidate(candidate: Candidate): void;
  /** One sentence about what could not be read or asked, or was left out. It is sanitized here. */
  problem(sentence: string): void;
}

export interface Candidate {
  readonly host: string;
  readonly port: number;
}

/**
 * One place to look for certificates. It changes nothing there, bounds what it reads, and goes on after what it cannot
 * read; it throws only when nothing at all could be asked, or the signal's reason.
 */
export interface DiscoverySource {
  readonly name: DiscoverySourceName;
  look(report: DiscoveryReport, signal: AbortSignal): Promise<void>;
}

/** What a target's credentials can list: certificates that it holds, whoever put them there. */
export interface HeldElsewhere {
  /** PEM or DER; the leaf comes first. */
  readonly certificate: string | Uint8Array;
  /** One line for people, such as an ARN. Foreign text in it is sanitized by the caller. */
  readonly place: string;
  /** Options of a target that would write there, `type` first. Never a secret. */
  readonly target: FoundPlace["target"];
}
