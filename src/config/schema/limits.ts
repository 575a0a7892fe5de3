import { z } from "zod";
import { type CaBudget, LIMIT_KINDS, type Limit, type LimitKind, type Limits } from "../../domain/budget.ts";
import { DAY_MS, HOUR_MS } from "../../domain/time.ts";
import { duration } from "./duration.ts";

const limit = (what: string) =>
  z
    .union([
      z.literal("none"),
      z.strictObject({
        max: z.int().min(1).max(100_000_000).describe("At once, when nothing was used before."),
        per: duration({ min: "1s", max: "3650d" }).describe(
          "An empty budget is full again after this long; it refills evenly.",
        ),
      }),
    ])
    .optional()
    .describe(`${what}: \`{max: 300, per: 3h}\` or \`none\`.`);

export const limitsSchema = z.strictObject({
  ordersPerAccount: limit("New orders of this issuer's account"),
  certificatesPerDomain: limit("Certificates per registered domain (by the public suffix list)"),
  certificatesPerExactSet: limit("Certificates for exactly the same names"),
  failuresPerIdentifier: limit("Failed validations per name and account"),
  consecutiveFailuresPerIdentifier: limit("Failed validations in a row per name and account, until one succeeds"),
  renewalsExempt: z
    .boolean()
    .optional()
    .describe("Ordering names that were certified before counts only against the limits per set and per failure."),
});

interface KnownCa {
  readonly limits: Limits;
  readonly renewalsExempt: boolean;
}

/** By host of the directory. https://letsencrypt.org/docs/rate-limits/ and …/staging-environment/ (2026-08). */
const KNOWN: Readonly<Record<string, KnownCa>> = {
  "acme-v02.api.letsencrypt.org": {
    renewalsExempt: true,
    limits: {
      ordersPerAccount: { max: 300, windowMs: 3 * HOUR_MS },
      certificatesPerDomain: { max: 50, windowMs: 7 * DAY_MS },
      certificatesPerExactSet: { max: 5, windowMs: 7 * DAY_MS },
      failuresPerIdentifier: { max: 5, windowMs: HOUR_MS },
      // One more each day; the CA then pauses the name until a person unpauses it.
      consecutiveFailuresPerIdentifier: { max: 1_152, windowMs: 1_152 * DAY_MS },
    },
  },
  "acme-staging-v02.api.letsencrypt.org": {
    renewalsExempt: true,
    limits: {
      ordersPerAccount: { max: 1_500, windowMs: 3 * HOUR_MS },
      certificatesPerDomain: { max: 30_000, windowMs: 7 * DAY_MS },
      certificatesPerExactSet: { max: 30_000, windowMs: 7 * DAY_MS },
      failuresPerIdentifier: { max: 200, windowMs: HOUR_MS },
    },
  },
};

/** What is configured goes before what is known of the CA, limit by limit. */
export function budgetOf(issuer: string, directory: string, written: z.output<typeof limitsSchema> = {}): CaBudget {
  const host = URL.canParse(directory) ? new URL(directory).host : "";
  const known: KnownCa =
    Object.hasOwn(KNOWN, host) && KNOWN[host] ? KNOWN[host] : { limits: {}, renewalsExempt: false };
  const limits: Partial<Record<LimitKind, Limit>> = {};
  for (const kind of LIMIT_KINDS) {
    const own = written[kind];
    const chosen =
      own === undefined ? known.limits[kind] : own === "none" ? undefined : { max: own.max, windowMs: own.per };
    if (chosen !== undefined) limits[kind] = chosen;
  }
  return { issuer, directory, limits, renewalsExempt: written.renewalsExempt ?? known.renewalsExempt };
}

/** By host of the directory: names in one certificate that these CAs certify at most. */
const NAMES_MAX: Readonly<Record<string, number>> = {
  "acme-v02.api.letsencrypt.org": 100,
  "acme-staging-v02.api.letsencrypt.org": 100,
  "dv.acme-v02.api.pki.goog": 100,
  "dv.acme-v02.test-api.pki.goog": 100,
  "acme.zerossl.com": 100,
};

/** null: not known of this CA. */
export function namesMaxOf(directory: string): number | null {
  const host = URL.canParse(directory) ? new URL(directory).host : "";
  return Object.hasOwn(NAMES_MAX, host) ? (NAMES_MAX[host] ?? null) : null;
}

/** Where the same CA can be ordered from for practice; null: not known. */
export function stagingOf(directory: string): string | null {
  return directory === "https://acme-v02.api.letsencrypt.org/directory"
    ? "https://acme-staging-v02.api.letsencrypt.org/directory"
    : null;
}
