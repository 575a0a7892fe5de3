import type { CertificateRecord } from "../../domain/certificate.ts";
import type { Observation } from "../../domain/endpoint.ts";
import { namesCover } from "../../domain/identifier.ts";
import { deploysExisting, type Reason } from "../../domain/renewal.ts";
import type { Version } from "../../domain/version.ts";
import type { ReasonFacts, ReasonFound } from "./reasons.ts";

export interface NewerLive {
  readonly endpoint: string;
  readonly address: string;
  readonly serial: string;
}

/** What the endpoints of a certificate were seen to serve after a restore. */
export interface Live {
  /** Addresses that completed a handshake. */
  readonly answered: number;
  /** The first that serves a certificate issued later than every version in the database; null: none. */
  readonly newer: NewerLive | null;
}

export interface RestoredFacts extends ReasonFacts {
  readonly record: CertificateRecord;
  /** Only after a restore; absent: the endpoints were not dialled yet. */
  readonly live?: Live | null;
}

/** The first of these observations that shows so; null: none. `known`: fingerprints of all versions. */
export function overtaking(
  observations: readonly (Observation & { readonly endpoint: string })[],
  version: Version,
  known: ReadonlySet<string>,
): NewerLive | null {
  const found = observations.find(
    (each) => isNewer(each, version, known) && each.served?.issuer === version.leaf.issuerName,
  );
  return found === undefined
    ? null
    : { endpoint: found.endpoint, address: found.address, serial: found.served?.serial ?? "" };
}

/**
 * True while the latest version in the database may be older than what is live: then it must not be deployed anywhere.
 */
export function isUnconfirmed({ record, version }: Pick<RestoredFacts, "record" | "version">): boolean {
  return record.restoredAt !== null && version !== null && version.generation <= record.generationFloor;
}

/** Replaces the reason by one that issues a new version, where deploying the known one could go back in time. */
export function reasonAfterRestore(facts: RestoredFacts, found: ReasonFound | null): ReasonFound | null {
  if (!isUnconfirmed(facts)) return found;
  const newer = facts.live?.newer ?? null;
  if (newer !== null) {
    const { endpoint, address, serial } = newer;
    return {
      reason: "restored",
      detail:
        `endpoint ${endpoint} at ${address} serves a newer certificate (serial ${serial}) ` +
        "than the restored database knows",
    };
  }
  if (found !== null && deploysExisting(found.reason) && facts.certificate.endpoints.length === 0) {
    return {
      reason: "restored",
      detail: `${found.detail}; restored from a backup, and no endpoint shows whether the targets hold something newer`,
    };
  }
  return found;
}

/**
 * Why a restored certificate waits; null: it need not. A certificate that is missing or about to expire never waits.
 */
export function blockedAfterRestore(facts: RestoredFacts, reason: Reason | null): string | null {
  const answered = facts.live?.answered ?? 0;
  if (!isUnconfirmed(facts) || answered > 0 || facts.certificate.endpoints.length === 0) return null;
  if (reason === "missing" || reason === "emergency" || reason === "restored") return null;
  return "restored from a backup: nothing is deployed or issued until one of its endpoints has shown what is live";
}

/**
 * A certificate for other names says nothing about this one. Of two from the same second neither is known to be older:
 * issuing one too many is the smaller harm.
 */
export function isNewer({ served, sni }: Observation, { leaf }: Version, known: ReadonlySet<string>): boolean {
  if (served === null || known.has(served.fingerprint) || !namesCover(served.subjectAltNames, sni)) return false;
  return !(served.notBefore < leaf.notBefore);
}
