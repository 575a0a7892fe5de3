import type { CaBudget } from "../domain/budget.ts";
import type { Store } from "../domain/store.ts";
import { DAY_MS } from "../domain/time.ts";
import { byKey, type Charge, describeLimit, keyOf, left } from "../renewal/rules/budget.ts";
import { isDistrusted } from "../renewal/rules/suggestion.ts";
import type { Snapshot } from "./snapshot.ts";

/** What one issuer did lately, and what its CA still allows. */
export interface IssuerBoard {
  readonly issuer: string;
  /** Of the renewals since `since`. */
  readonly succeeded: number;
  readonly failed: number;
  /** From due to proved; 95 of 100 took no longer. null: none succeeded. */
  readonly p95Ms: number | null;
  readonly gauges: readonly Gauge[];
  readonly windowsIgnored: number;
}

export interface Gauge {
  readonly limit: string;
  readonly left: number;
  readonly max: number;
  /** ms since epoch; null: it is full. */
  readonly fullAt: number | null;
}

export const BOARD_MS = 30 * DAY_MS;
const DURATIONS_MAX = 1_000;
/** Of limits per name or domain, those that are used most. */
const GAUGES_MAX = 6;

export async function issuerBoard(
  store: Pick<Store, "search" | "ledger">,
  issuer: string,
  budget: CaBudget,
  { examined }: Pick<Snapshot, "examined">,
  { since, now }: { readonly since: number; readonly now: number },
): Promise<IssuerBoard> {
  const filter = { issuers: [issuer], since };
  const counts = await store.search.countRenewals(filter);
  const done = await store.search.durations({ ...filter, states: ["succeeded"] }, DURATIONS_MAX);
  const durations = done.sort((a, b) => a - b);
  return {
    issuer,
    succeeded: counts.get("succeeded") ?? 0,
    failed: counts.get("failed") ?? 0,
    p95Ms: durations[Math.max(0, Math.ceil(durations.length * 0.95) - 1)] ?? null,
    gauges: await gaugesOf(store, budget, now),
    windowsIgnored: examined.filter(
      ({ member: { version, renewalInfo } }) =>
        version?.issuer === issuer && renewalInfo !== null && isDistrusted(renewalInfo),
    ).length,
  };
}

/** Of the account always; of what is counted by name or domain, only what something was taken of. */
async function gaugesOf(
  { ledger }: Pick<Store, "ledger">,
  { issuer, directory, limits }: CaBudget,
  now: number,
): Promise<Gauge[]> {
  const buckets = await ledger.list(now);
  const scopes = [directory, `${issuer} ${directory}`];
  const known = byKey(buckets);
  const used = buckets.filter(({ scope, key }) => scopes.includes(scope) && key !== "");
  const account = limits.ordersPerAccount;
  const charges: Charge[] = [
    ...(account === undefined
      ? []
      : [
          { scope: `${issuer} ${directory}`, kind: "ordersPerAccount", key: "", limit: account, spends: true } as const,
        ]),
    ...used.flatMap(({ scope, kind, key }) => {
      const limit = limits[kind];
      return limit === undefined ? [] : [{ scope, kind, key, limit, spends: true }];
    }),
  ];
  return charges
    .map((charge) => ({
      limit: describeLimit(charge),
      left: Math.max(0, left(charge, known.get(keyOf(charge)), now)),
      max: charge.limit.max,
      fullAt: known.get(keyOf(charge))?.fullAt ?? null,
    }))
    .sort((a, b) => a.left / a.max - b.left / b.max)
    .slice(0, GAUGES_MAX);
}
