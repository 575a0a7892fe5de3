import type { Certificate } from "../../domain/certificate.ts";
import type { Endpoint } from "../../domain/endpoint.ts";
import type { HistoryEvent } from "../../domain/event.ts";
import { type Identifier, namesCover } from "../../domain/identifier.ts";
import type { Version } from "../../domain/version.ts";

/** A name that keeps failing while others of the same order succeed is dead; a broken solver fails for all names. */
const FAILURES_MIN = 3;
const PROPOSED_MAX = 5;

export interface DeadName {
  readonly name: string;
  readonly failures: number;
  /** Names of the last order that were validated. */
  readonly othersValid: number;
}

/** Names that kept failing since the certificate was last issued, while others succeeded. `events`: oldest first. */
export function deadNames(events: readonly HistoryEvent[]): DeadName[] {
  const issuedAt = events.findLastIndex(({ type }) => type === "version.issued");
  const found = new Map<string, DeadName>();
  for (const { type, detail } of events.slice(issuedAt + 1)) {
    const { identifier, othersValid } = detail;
    if (type !== "challenge.failed" || typeof identifier !== "string" || typeof othersValid !== "number") continue;
    found.set(identifier, { name: identifier, failures: (found.get(identifier)?.failures ?? 0) + 1, othersValid });
  }
  return [...found.values()].filter(({ failures, othersValid }) => failures >= FAILURES_MIN && othersValid > 0);
}

/** "remove dead.example.org: its validation failed 3 times while 4 others succeeded" */
export function proposal(dead: readonly DeadName[]): string {
  return dead
    .slice(0, PROPOSED_MAX)
    .map(({ name, failures, othersValid }) => {
      const others = `${othersValid} other${othersValid === 1 ? "" : "s"}`;
      return `remove ${name}: its validation failed ${failures} times while ${others} succeeded`;
    })
    .join("; ");
}

/**
 * The certificate without the endpoints whose server name was dropped from this version: dialling them would fail the
 * renewal that saved the other names. At least one endpoint always stays, because success is a handshake.
 */
export function withoutDeadEndpoints(certificate: Certificate, version: Version | null): Certificate {
  const skipped = deadEndpoints(certificate, version);
  return skipped.length === 0
    ? certificate
    : { ...certificate, endpoints: certificate.endpoints.filter((endpoint) => !skipped.includes(endpoint)) };
}

export function deadEndpoints(
  { endpoints }: Pick<Certificate, "endpoints">,
  version: Pick<Version, "droppedNames" | "leaf"> | null,
): readonly Endpoint[] {
  if (version === null || version.droppedNames.length === 0) return [];
  const held = version.leaf.identifiers.map(({ value }) => value);
  const dead = endpoints.filter(({ sni }) => namesCover(version.droppedNames, sni) && !namesCover(held, sni));
  return dead.length === endpoints.length ? [] : dead;
}

export interface NamesToOrder {
  readonly kept: readonly Identifier[];
  readonly dropped: readonly string[];
}

/** Drops dead names if configured, but never the first name, by which people know the certificate. */
export function namesToOrder(
  { identifiers, dropDeadNames }: Pick<Certificate, "identifiers" | "dropDeadNames">,
  dead: readonly DeadName[],
): NamesToOrder {
  const gone = new Set(dropDeadNames ? dead.map(({ name }) => name) : []);
  const kept = identifiers.filter(({ value }, index) => index === 0 || !gone.has(value));
  return { kept, dropped: identifiers.filter((identifier) => !kept.includes(identifier)).map(({ value }) => value) };
}
