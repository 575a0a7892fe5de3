import { suggestion } from "../config/read/suggestions.ts";
import {
  DNS_PERSIST,
  persistRecordLine,
  persistValue,
  type StandingAccount,
  type StandingName,
} from "../domain/dnsPersist.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Solver } from "../domain/issuer.ts";
import { sanitize } from "../domain/text.ts";
import { SECOND_MS } from "../domain/time.ts";
import type { PersistRecord, PersistReport } from "../reports/persist.ts";
import { persistName } from "../solvers/dns/challenge.ts";
import { DNS_NAME } from "../solvers/dns/options.ts";
import { plainName } from "../solvers/dns/zone.ts";
import { dnsPersist01 } from "../solvers/dnsPersist01.ts";
import { accountAdmin } from "./accounts.ts";
import { openReader, type Reader } from "./reader.ts";

const ACCOUNT_TIMEOUT_MS = 60_000;
const CHECK_TIMEOUT_MS = 60_000;

export interface PersistQuestion {
  /** A certificate, or a DNS name. */
  readonly subject: string;
  /** null: those of the certificate, or the only one. */
  readonly issuer: string | null;
  /** When the records end, ms since epoch; null: never. */
  readonly until: number | null;
  /** Register an account where there is none. */
  readonly register: boolean;
}

/** The dns-persist-01 records of a certificate's names, or of one name, and what DNS has of them. */
export async function persistReport(
  configFile: string,
  question: PersistQuestion,
  signal: AbortSignal,
): Promise<PersistReport> {
  await using reader = await openReader(configFile);
  // Awaited here: the reader is closed when this returns.
  return await persistReportOf(reader, question, signal);
}

export async function persistReportOf(
  reader: Pick<Reader, "config" | "store" | "services" | "clock">,
  question: PersistQuestion,
  signal: AbortSignal,
): Promise<PersistReport> {
  const { issuers, names, solver } = subjectOf(reader, question);
  const accounts: { issuer: string; url: string }[] = [];
  const records: PersistRecord[] = [];
  for (const issuer of issuers) {
    const account = await accountOf(reader, issuer, question, signal);
    accounts.push({ issuer, url: account.accountUrl });
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(CHECK_TIMEOUT_MS)]);
    for (const name of names) records.push(await recordOf({ issuer, account, name, solver }, question.until, bounded));
  }
  return { version: 1, accounts, records };
}

interface Subject {
  readonly issuers: readonly string[];
  readonly names: readonly StandingName[];
  readonly solver: Solver;
}

function subjectOf(
  { config, services, clock }: Pick<Reader, "config" | "services" | "clock">,
  { subject, issuer }: PersistQuestion,
): Subject {
  const all = [...config.issuers.keys()];
  if (issuer !== null && !all.includes(issuer))
    throw new RenewalError(
      "request.invalid",
      `issuer "${issuer.slice(0, 80)}" is not configured${suggestion(issuer, all)}`,
    );
  const certificate = config.certificates.find(({ name }) => name === subject);
  const configured = certificate && services.solvers(certificate).find(({ solver }) => solver.standing !== undefined);
  const solver =
    configured?.solver ?? dnsPersist01.create({ experimental: true, resolvers: undefined }, { now: clock.now });
  if (certificate !== undefined) {
    const values = certificate.identifiers.filter(({ type }) => type === "dns").map(({ value }) => value);
    if (values.length === 0)
      throw new RenewalError("request.invalid", `"${certificate.name}" has no DNS name: addresses are not in DNS`);
    const issuers = issuer === null ? [certificate.issuer, ...certificate.fallbacks] : [issuer];
    return { issuers, names: namesOf(values), solver };
  }
  const name = plainName(subject.replace(/^\*\./, ""));
  if (!DNS_NAME.test(name) || !name.includes("."))
    throw new RenewalError(
      "request.invalid",
      `"${sanitize(subject, 80)}" is neither a configured certificate nor a DNS name`,
    );
  if (issuer === null && all.length > 1)
    throw new RenewalError("request.invalid", `--issuer: say for which issuer (${all.join(", ")})`);
  return {
    issuers: issuer === null ? all : [issuer],
    names: namesOf([`${subject.startsWith("*.") ? "*." : ""}${name}`]),
    solver,
  };
}

/** Apex and wildcard have one record. */
function namesOf(values: readonly string[]): StandingName[] {
  const domains = new Map<string, boolean>();
  for (const value of values) {
    const domain = value.replace(/^\*\./, "");
    domains.set(domain, (domains.get(domain) ?? false) || value.startsWith("*."));
  }
  return [...domains].map(([domain, wildcard]) => ({ domain, wildcard }));
}

/** Draft -02 §4.5: an account is asked for at its own URL before records that name it are handed out. */
async function accountOf(
  reader: Pick<Reader, "config" | "store" | "services" | "clock">,
  issuer: string,
  { register }: PersistQuestion,
  signal: AbortSignal,
): Promise<StandingAccount> {
  const admin = await accountAdmin(reader, issuer);
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(ACCOUNT_TIMEOUT_MS)]);
  const account = (await admin.show(bounded)) ?? (register ? await admin.register(bounded) : null);
  if (account === null)
    throw new RenewalError(
      "request.invalid",
      `issuer "${issuer}" has no account yet, which the records name: give --register to register one now`,
    );
  if (account.status !== "valid")
    throw new RenewalError(
      "request.invalid",
      `the account of issuer "${issuer}", ${account.url}, is ${account.status} at the CA: no record for it would do`,
    );
  const standing = (await reader.services.issuer(issuer).standing?.(bounded)) ?? null;
  if (standing === null)
    throw new RenewalError(
      "request.invalid",
      `the CA of issuer "${issuer}" does not say in its directory by which domain a record names it ` +
        `(\`issuerDomainNames\`): it does not seem to offer ${DNS_PERSIST}`,
    );
  return standing;
}

interface Wanted {
  readonly issuer: string;
  readonly account: StandingAccount;
  readonly name: StandingName;
  readonly solver: Solver;
}

async function recordOf(
  { issuer, account, name, solver }: Wanted,
  until: number | null,
  signal: AbortSignal,
): Promise<PersistRecord> {
  const ends = until === null ? null : Math.floor(until / SECOND_MS);
  const place = persistName({ type: "dns", value: name.domain });
  const verdict = (await solver.standing?.(name, account, signal)) ?? { kind: "unknown", why: "not checked" };
  const isRight = verdict.kind === "valid";
  return {
    ...{ issuer, name: place, value: persistValue(account, name, ends) },
    zoneFile: persistRecordLine(account, name, ends),
    state: isRight ? "right" : verdict.kind,
    found: isRight ? null : sanitize(verdict.why, 500),
  };
}
