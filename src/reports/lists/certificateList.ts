import { DAY_MS } from "../../domain/time.ts";
import { STATES } from "../certificates.ts";
import { iso } from "../instant.ts";
import { type CertificateRow, lifetimeOf } from "./certificateRow.ts";
import type { List } from "./list.ts";
import { criticalityRank, responsibilityColumns, responsibilityFacets } from "./responsibility.ts";
import { weekOf } from "./week.ts";

export const EXPIRIES = ["past", "1d", "7d", "30d", "later", "none"] as const;

/** Rows of one instant: the list's own clock. */
export function certificateList(now: number): List<CertificateRow> {
  return {
    name: "certificates",
    columns: [
      { key: "certificate", title: "Certificate", value: ({ certificate }) => certificate },
      { key: "state", title: "State", value: ({ state }) => state },
      { key: "problem", title: "Problem", value: ({ what }) => what },
      { key: "names", title: "Names", value: ({ names }) => names.join(" ") },
      { key: "issuer", title: "Issuer", value: ({ issuer }) => issuer },
      { key: "expiresAt", title: "Expires", value: ({ expiresAt }) => iso(expiresAt) },
      { key: "nextAt", title: "Next", value: ({ next }) => iso(next.at) },
      { key: "next", title: "What is next", value: ({ next }) => next.what },
      { key: "waitingOn", title: "Waits for", value: (row) => row.waitingOn },
      { key: "issuedGeneration", title: "Issued", value: ({ generations }) => generations.issued },
      { key: "deployedGeneration", title: "Deployed", value: ({ generations }) => generations.deployed },
      { key: "observedGeneration", title: "Observed", value: ({ generations }) => generations.observed },
      { key: "provedAt", title: "Proved", value: ({ provedAt }) => iso(provedAt) },
      { key: "targets", title: "Targets", value: ({ targets }) => targets.join(" ") },
      { key: "keyType", title: "Key", value: ({ keyType }) => keyType },
      { key: "serial", title: "Serial", value: ({ serial }) => serial },
      { key: "fingerprint", title: "Fingerprint", value: ({ fingerprint }) => fingerprint },
      { key: "definedIn", title: "Defined in", value: ({ definedIn }) => definedIn },
      ...responsibilityColumns,
    ],
    facets: [
      { key: "state", title: "State", values: ({ state }) => [state] },
      { key: "person", title: "Needs a person", values: ({ needsPerson }) => [needsPerson ? "yes" : "no"] },
      { key: "problem", title: "Problem", values: ({ problems }) => (problems.length === 0 ? ["none"] : problems) },
      { key: "cause", title: "Cause", values: ({ cause }) => (cause === null ? [] : [cause]), isCounted: false },
      { key: "waiting", title: "Waits for", values: (row) => [row.waitingOn] },
      { key: "flight", title: "In flight", values: ({ inFlight }) => [inFlight ? "yes" : "no"] },
      { key: "expires", title: "Expires", values: ({ expiresAt }) => [expiryOf(expiresAt, now)] },
      { key: "life", title: "Lifetime", values: (row) => [lifetimeOf(row)] },
      { key: "issuer", title: "Issuer", values: ({ issuer }) => [issuer] },
      { key: "target", title: "Target", values: ({ targets }) => targets },
      ...responsibilityFacets,
      { key: "key", title: "Key", values: ({ keyType }) => [keyType] },
      { key: "ready", title: "Ready for 47 days", values: ({ unready }) => [unready.length === 0 ? "yes" : "no"] },
      { key: "unready", title: "Not ready", values: ({ unready }) => unready, isCounted: false },
      { key: "ari", title: "The CA suggests a window", values: ({ life }) => [life?.suggested == null ? "no" : "yes"] },
      { key: "replacement", title: "Replacement", values: ({ replacements }) => replacements, isCounted: false },
      { key: "expiresWeek", title: "Expires in week", values: ({ expiresAt }) => weeksOf(expiresAt), isCounted: false },
      { key: "renewsWeek", title: "Next in week", values: ({ next }) => weeksOf(next.at), isCounted: false },
      { key: "name", title: "Certificate", values: ({ certificate }) => [certificate], isCounted: false },
    ],
    sorts: {
      worst: worstOf,
      certificate: ({ certificate }) => certificate,
      expires: ({ expiresAt }) => expiresAt,
      next: ({ next }) => next.at,
      proved: ({ provedAt }) => provedAt,
      owner: ({ responsibility: { owner } }) => owner,
      issuer: ({ issuer }) => issuer,
    },
    defaultSort: "worst",
    id: ({ certificate }) => certificate,
    text: ({ certificate, names, serial, fingerprint }) => [certificate, ...names, serial ?? "", fingerprint ?? ""],
  };
}

function expiryOf(expiresAt: number | null, now: number): (typeof EXPIRIES)[number] {
  if (expiresAt === null) return "none";
  const leftMs = expiresAt - now;
  if (leftMs <= 0) return "past";
  if (leftMs <= DAY_MS) return "1d";
  if (leftMs <= 7 * DAY_MS) return "7d";
  return leftMs <= 30 * DAY_MS ? "30d" : "later";
}

function weeksOf(at: number | null): string[] {
  return at === null ? [] : [weekOf(at)];
}

const RANK = new Map(STATES.map((state, index) => [state, index]));
/** Larger than every instant there is. */
const RANK_STEP = 1e13;

/**
 * Those that need a person first, then the most critical, then by state, then the soonest expiry. Nothing issued means
 * nothing valid to serve.
 */
function worstOf({ needsPerson, problems, state, expiresAt, responsibility }: CertificateRow): number {
  // An expired certificate is an outage now, however critical it is.
  const trouble = (needsPerson ? 0 : 400) + (problems.length > 0 ? 0 : 200) + (state === "expired" ? 0 : 100);
  const group = trouble + criticalityRank(responsibility) * RANK.size + (RANK.get(state) ?? 0);
  return group * RANK_STEP + (expiresAt ?? 0);
}
