import { certificateNamed } from "../actions/context.ts";
import type { Config } from "../config/config.ts";
import { isPublicSuffix } from "../config/publicSuffix.ts";
import type { Certificate } from "../domain/certificate.ts";
import type { Clock } from "../domain/clock.ts";
import { RenewalError } from "../domain/errors.ts";
import { leftPlaces } from "../domain/leftTarget.ts";
import type { Store } from "../domain/store.ts";
import type { ConfiguredServices } from "../renewal/context.ts";
import { findForeignAnswers, removeForeignAnswers } from "../renewal/operator/foreignAnswers.ts";
import { preflight } from "../renewal/steps/preflight.ts";
import type { AccountReport } from "../reports/account.ts";
import type { AuditReport } from "../reports/audit.ts";
import type { ChallengeEntry, ChallengesReport } from "../reports/challenges.ts";
import type { CheckEntry, CheckReport } from "../reports/check.ts";
import { iso } from "../reports/instant.ts";
import type { LeftoversReport } from "../reports/leftovers.ts";
import { accountAdmin } from "./accounts.ts";
import { systemClock } from "./clock.ts";
import { type Cleaned, servedFrom } from "./leftovers.ts";
import { auditConfigured } from "./storeTasks.ts";

/** Checks the history, as `renewd audit verify` shows it. */
export async function auditReport(configFile: string, head: string | null, signal: AbortSignal): Promise<AuditReport> {
  return auditReportOf(await auditConfigured(configFile, head ?? undefined, signal));
}

export function auditReportOf(audited: Awaited<ReturnType<typeof auditConfigured>>): AuditReport {
  return { version: 1, ...audited, accepted: audited.accepted.map((each) => ({ ...each, at: iso(each.at) })) };
}

/** What is asked about: a configuration and its database. */
export interface Source {
  readonly config: Config;
  readonly store: Store;
  readonly services: ConfiguredServices;
  readonly clock: Clock;
}

/** One certificate with many names. */
const CHECK_TIMEOUT_MS = 300_000;
const RECORDS_MAX = 10_000;

/** What a CA would check, without an order. `name` null: every certificate, one after another. */
export async function checkReport(
  { config, services }: Source,
  name: string | null,
  signal: AbortSignal,
): Promise<CheckReport> {
  const certificates = chosen(config, name);
  const concerns: CheckEntry[] = [];
  for (const certificate of certificates) {
    concerns.push(...ofNames(certificate));
    const how = { issuer: certificate.issuer, thorough: true };
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(CHECK_TIMEOUT_MS)]);
    for (const concern of await preflight({ services }, certificate, how, bounded)) {
      const { identifier, solver, check, message, fatal } = concern;
      const result = fatal ? "refused" : "warning";
      concerns.push({ certificate: certificate.name, name: identifier, solver, check, result, message });
    }
  }
  return {
    version: 1,
    passed: concerns.every(({ result }) => result === "warning"),
    certificates: certificates.map((certificate) => certificate.name),
    concerns,
  };
}

function chosen({ certificates }: Config, name: string | null): readonly Certificate[] {
  if (name !== null) return [certificateNamed(certificates, name)];
  return certificates.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Public CAs refuse these; that a private one does as well is not certain, so orders are not kept from it. */
function ofNames({ name: certificate, identifiers }: Certificate): CheckEntry[] {
  const message = "a registry gives names to others below it (public suffix), so no public CA issues for it";
  return identifiers
    .filter(isPublicSuffix)
    .map(({ value }) => ({ certificate, name: value, solver: null, check: "name", result: "refused", message }));
}

/** What answers challenges in DNS. `own`: only what renewd wrote down, which asks no DNS provider. */
export async function challengesReport(
  { config, store, services }: Source,
  { certificate: name, own: isOwn }: { readonly certificate: string | null; readonly own: boolean },
  signal: AbortSignal,
): Promise<ChallengesReport> {
  const certificates = chosen(config, name);
  const own = (await store.dns.records.list(RECORDS_MAX)).filter(
    ({ certificate }) => name === null || certificate === name,
  );
  const foreign = isOwn
    ? { found: [], unknown: [] }
    : await findForeignAnswers({ store, services }, certificates, signal);
  return {
    version: 1,
    records: [
      ...own.map((record): ChallengeEntry => {
        const { state, name: at, value, zoneName, solver, certificate, client, createdAt, errorMessage } = record;
        const times = { createdAt: iso(createdAt), error: errorMessage };
        return { state, name: at, value, zone: zoneName, solver, certificate, client, ...times };
      }),
      ...foreign.found.map(({ name: at, value, solver, certificate }): ChallengeEntry => {
        const none = { zone: null, client: null, createdAt: null, error: null };
        return { state: "foreign", name: at, value, solver, certificate, ...none };
      }),
    ],
    unknown: foreign.unknown.map(({ identifier, solver, why }) => ({ name: identifier, solver, why })),
  };
}

/** `value`: one, or `all`. Throws `request.invalid` when it is not there. */
export async function removeForeign(
  { config, store, services }: Source,
  { certificate: name, value }: { readonly certificate: string; readonly value: string },
  signal: AbortSignal,
): Promise<readonly { readonly name: string; readonly value: string }[]> {
  const certificate = certificateNamed(config.certificates, name);
  const removed = await removeForeignAnswers({ store, services }, certificate, value, signal);
  return removed.map(({ name: at, value: one }) => ({ name: at, value: one }));
}

/** `cleaned` null: what there is. */
export async function leftoversReport(
  { store }: Pick<Source, "store">,
  cleaned: readonly Cleaned[] | null = null,
): Promise<LeftoversReport> {
  const all = cleaned ?? (await store.leftTargets.list()).map((left) => ({ left, removed: null }));
  const remaining = all.filter(({ removed }) => removed === null).map(({ left }) => left);
  const served = await servedFrom(store, remaining, systemClock.now());
  const leftovers = all.map(({ left, removed }) => ({
    certificate: left.certificate,
    target: left.target,
    leftAt: iso(left.leftAt),
    places: leftPlaces(left),
    servedAt: served.get(left) ?? [],
    removed,
  }));
  return { version: 1, leftovers };
}

/** What the CA says of the issuer's account. Throws `request.invalid` when there is none yet. */
export async function accountReport(source: Source, issuer: string, signal: AbortSignal): Promise<AccountReport> {
  const account = await (await accountAdmin(source, issuer)).show(signal);
  if (account === null)
    throw new RenewalError("request.invalid", "the issuer has no account yet: its first order registers one");
  return { version: 1, issuer, account };
}
