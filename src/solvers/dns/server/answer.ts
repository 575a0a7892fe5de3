import type { Query } from "./query.ts";
import { addressesOf, type ServedZone, zoneFor } from "./zone.ts";

/** The TXT values at a name, as any process put them into the store. Lower-case name. */
export type LookUp = (name: string, zone: ServedZone) => Promise<readonly string[]>;

export type Rcode = "NOERROR" | "SERVFAIL" | "REFUSED" | "BADVERS";

export type ZoneRecord = { readonly name: string; readonly ttlSeconds: number } & (
  | { readonly type: "TXT"; readonly data: string; readonly class?: "CH" }
  | { readonly type: "NS" | "A" | "AAAA"; readonly data: string }
  | { readonly type: "CAA"; readonly data: { readonly tag: "issue" | "issuewild" | "iodef"; readonly value: string } }
  | { readonly type: "HINFO"; readonly data: { readonly cpu: string; readonly os: string } }
  | { readonly type: "SOA"; readonly data: Soa }
);

export interface Soa {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  readonly minimum: number;
}

export interface Answer {
  readonly rcode: Rcode;
  readonly authoritative: boolean;
  readonly answers: readonly ZoneRecord[];
  readonly authorities: readonly ZoneRecord[];
}

/** A challenge's value changes within seconds, and so does its absence: nobody should keep either. */
const VALUE_TTL_SECONDS = 1;
/** Of SOA, NS, CAA and addresses, which change with the configuration. */
const ZONE_TTL_SECONDS = 300;
export const IN = 1;
const CHAOS = 3;
export const TXT = 16;
/** RFC 4892: which server answers. renewd names its installation: two on one port find each other by it. */
export const SERVER_ID = "id.server";
const TYPES: Readonly<Record<number, string>> = {
  1: "A",
  2: "NS",
  6: "SOA",
  16: "TXT",
  28: "AAAA",
  251: "IXFR",
  252: "AXFR",
  255: "ANY",
  257: "CAA",
};

/**
 * Answers for the zones and refuses everything else. A name inside a zone always exists, if only without records: so a
 * resolver that asks label by label (RFC 9156) never concludes from a missing parent that a value is missing too
 * (RFC 8020).
 */
export async function answerQuery(
  { question, edns }: Query,
  zones: readonly ServedZone[],
  { lookUp, now, identity }: { readonly lookUp: LookUp; readonly now: number; readonly identity?: string | undefined },
): Promise<Answer> {
  if (edns !== null && edns.version !== 0) return without("BADVERS");
  if (question.class === CHAOS && question.type === TXT && question.name === SERVER_ID && identity !== undefined)
    return {
      rcode: "NOERROR",
      authoritative: true,
      answers: [identityRecord(question.spelled, identity)],
      authorities: [],
    };
  const zone = question.class === IN ? zoneFor(zones, question.name) : null;
  const type = TYPES[question.type] ?? "other";
  if (zone === null || type === "AXFR" || type === "IXFR") return without("REFUSED");
  let answers: readonly ZoneRecord[];
  try {
    answers = await recordsOf(zone, { ...question, type }, { lookUp, now });
  } catch {
    return without("SERVFAIL");
  }
  const authorities = answers.length === 0 ? [soaOf(zone, now)] : [];
  return { rcode: "NOERROR", authoritative: true, answers, authorities };
}

function identityRecord(name: string, data: string): ZoneRecord {
  return { name, ttlSeconds: 0, class: "CH", type: "TXT", data };
}

function without(rcode: Rcode): Answer {
  return { rcode, authoritative: false, answers: [], authorities: [] };
}

async function recordsOf(
  zone: ServedZone,
  { name, spelled, type }: { readonly name: string; readonly spelled: string; readonly type: string },
  { lookUp, now }: { readonly lookUp: LookUp; readonly now: number },
): Promise<readonly ZoneRecord[]> {
  // Nothing can be published at a name with other characters (they are spelled with a backslash).
  if (spelled.includes("\\")) return [];
  const owned = { name: spelled, ttlSeconds: ZONE_TTL_SECONDS };
  const isApex = name === zone.name;
  switch (type) {
    case "TXT":
      return (await lookUp(name, zone)).map((data) => ({
        name: spelled,
        ttlSeconds: VALUE_TTL_SECONDS,
        type: "TXT" as const,
        data,
      }));
    case "A":
      return addressesOf(zone, name, 4).map((data) => ({ ...owned, type: "A" as const, data }));
    case "AAAA":
      return addressesOf(zone, name, 6).map((data) => ({ ...owned, type: "AAAA" as const, data }));
    case "SOA":
      return isApex ? [{ ...soaOf(zone, now), name: spelled, ttlSeconds: ZONE_TTL_SECONDS }] : [];
    case "NS":
      return isApex ? zone.nameServers.map((server) => ({ ...owned, type: "NS" as const, data: server.name })) : [];
    case "CAA":
      return isApex ? zone.caa.map((data) => ({ ...owned, type: "CAA" as const, data })) : [];
    // RFC 8482 §4.2: one small record instead of everything.
    case "ANY":
      return [{ ...owned, type: "HINFO", data: { cpu: "RFC8482", os: "" } }];
    default:
      return [];
  }
}

/** No secondary copies the zone: the serial only has to grow. */
function soaOf(zone: ServedZone, now: number): ZoneRecord {
  const mname = zone.nameServers[0]?.name ?? zone.name;
  const data = {
    mname,
    rname: `hostmaster.${zone.name}`,
    serial: Math.floor(now / 1000) >>> 0,
    refresh: 3600,
    retry: 600,
    expire: 86_400,
    // RFC 2308: how long "there is no value" may be kept.
    minimum: VALUE_TTL_SECONDS,
  };
  return { name: zone.name, ttlSeconds: VALUE_TTL_SECONDS, type: "SOA", data };
}
