import pLimit from "p-limit";
import type { Certificate } from "../../domain/certificate.ts";
import { standingName } from "../../domain/dnsPersist.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { Identifier } from "../../domain/identifier.ts";
import type { Concern, Issuer, NamedSolver, Solver } from "../../domain/issuer.ts";
import { firstFitting, provesDomain, solversFor } from "../../domain/solverChoice.ts";
import { SECOND_MS } from "../../domain/time.ts";
import type { Context } from "../context.ts";

type PreflightServices = Pick<Context["services"], "solvers" | "issuer">;

const NAMES_AT_ONCE = 4;
const NAME_TIMEOUT_MS = 20_000;
/** Before an order, for all names that are answered by HTTP or TLS together. */
const HTTP_TIMEOUT_MS = 6_000;
const CA_TIMEOUT_MS = 15_000;
const MESSAGE_CHARACTERS_MAX = 1_500;

/** A concern about one name, or about the order as a whole. */
export interface NameConcern extends Concern {
  /** As in the certificate; null: the whole order. */
  readonly identifier: string | null;
  /** The solver that would answer for it. */
  readonly solver: string | null;
}

/**
 * What may keep the CA from issuing, found without an order. `thorough` takes its time and also says what could not be
 * found out. Before an order, names that are answered by HTTP only warn: this machine may see them differently.
 */
export async function preflight(
  { services }: { readonly services: PreflightServices },
  certificate: Certificate,
  { issuer, thorough }: { readonly issuer: string; readonly thorough: boolean },
  signal: AbortSignal,
): Promise<readonly NameConcern[]> {
  const solvers = services.solvers(certificate);
  const limit = pLimit(NAMES_AT_ONCE);
  const http = thorough ? null : AbortSignal.any([signal, AbortSignal.timeout(HTTP_TIMEOUT_MS)]);
  const how = { http, issuer: () => services.issuer(issuer) };
  const [ofOrder, ...ofNames] = await Promise.all([
    ofCa(services, certificate, { issuer, solvers, thorough }, signal),
    ...distinct(certificate.identifiers).map((identifier) => limit(() => ofName(solvers, identifier, how, signal))),
  ]);
  return [...ofOrder, ...ofNames.flat()];
}

/** Apex and wildcard are validated at one place: it is examined once, as the wildcard if there is one. */
function distinct(identifiers: readonly Identifier[]): readonly Identifier[] {
  const bare = ({ value }: Identifier): string => value.replace(/^\*\./, "");
  const wild = new Set(identifiers.filter(({ value }) => value.startsWith("*.")).map(bare));
  return identifiers.filter((each) => each.value.startsWith("*.") || !wild.has(each.value));
}

interface NameCheck {
  /** Bounds names that are answered by HTTP, before an order; null: thorough. */
  readonly http: AbortSignal | null;
  issuer(): Issuer;
}

async function ofName(
  solvers: readonly NamedSolver[],
  identifier: Identifier,
  { http, issuer }: NameCheck,
  signal: AbortSignal,
): Promise<readonly NameConcern[]> {
  const candidates = solversFor(solvers, identifier);
  const about = { identifier: identifier.value, solver: null };
  const [first] = candidates;
  // The order says so as well, with its own code.
  if (first === undefined)
    return http === null
      ? [{ ...about, check: "solver", message: "no solver of the certificate can answer for it", fatal: true }]
      : [];
  const quick = candidates.some(({ solver }) => provesDomain(solver.challengeType)) ? null : http;
  const bounded = quick ?? AbortSignal.any([signal, AbortSignal.timeout(NAME_TIMEOUT_MS)]);
  try {
    return await bySolvers(candidates, identifier, { http, issuer }, bounded);
  } catch (thrown) {
    signal.throwIfAborted();
    if (quick !== null) return [];
    // A check that does not end must not hold up what would have worked.
    const message = bounded.aborted
      ? `not checked within ${NAME_TIMEOUT_MS / 1_000} s`
      : toRenewalError(thrown).message;
    return [{ ...about, solver: first.name, check: "preflight", message, fatal: false }];
  }
}

/** What the first solver finds that would be used. A record that does not stand leaves the name to the next one. */
async function bySolvers(
  candidates: readonly NamedSolver[],
  identifier: Identifier,
  { http, issuer }: NameCheck,
  signal: AbortSignal,
): Promise<readonly NameConcern[]> {
  const chosen = await firstFitting(
    candidates,
    async ({ solver }) => (await solver.owns?.(identifier, signal)) ?? true,
  );
  if (chosen === undefined) return [];
  const { name, solver } = chosen;
  const found = (await solver.preflight?.(identifier, signal)) ?? [];
  const standing = await ofRecord(solver, identifier, issuer, signal);
  const others = solver.standing === undefined ? [] : candidates.slice(candidates.indexOf(chosen) + 1);
  const concerns = http !== null && !provesDomain(solver.challengeType) ? warnings(found) : [...found, ...standing];
  const about = concerns.map((concern) => ({ identifier: identifier.value, solver: name, ...concern }));
  if (others.length === 0) return about;
  // The CA may not offer the challenge at all.
  const isEnough = standing.every(({ fatal }) => !fatal);
  const next = await bySolvers(others, identifier, { http, issuer }, signal);
  return [...about, ...(isEnough ? next : [])]
    .map((concern) => ({ ...concern, fatal: false }))
    .concat(isEnough ? [] : next);
}

/** The record that a name has to have before an order, for solvers that publish nothing themselves. */
async function ofRecord(
  solver: Solver,
  identifier: Identifier,
  issuer: NameCheck["issuer"],
  signal: AbortSignal,
): Promise<readonly Concern[]> {
  if (solver.standing === undefined) return [];
  const concern = (message: string, fatal: boolean): Concern[] => [{ check: "persist", message, fatal }];
  const account = (await issuer().standing?.(signal)) ?? null;
  // The first order registers it, unless the database had lost no more than its URL.
  if (account === null) return concern("no record can be checked: the issuer has no account yet", false);
  const verdict = await solver.standing(standingName(identifier), account, signal);
  if (verdict.kind === "unknown") return concern(verdict.why, false);
  if (verdict.kind !== "valid")
    return concern(`${verdict.why}; \`renewd challenges persist NAME\` prints what it needs`, true);
  if (verdict.until === null || !verdict.endsSoon) return [];
  return concern(`its record ends at ${new Date(verdict.until * SECOND_MS).toISOString()}`, false);
}

/** Without `dns`, which says that this machine's resolvers give no answer: a CA does not ask them. */
function warnings(concerns: readonly Concern[]): readonly Concern[] {
  return concerns.filter(({ check }) => check !== "dns").map((concern) => ({ ...concern, fatal: false }));
}

/**
 * CAA records, profile, key type: what the CA itself would refuse. Before an order only a CAA record is fatal: the CA
 * reports the rest itself, by codes that may turn the renewal to another issuer.
 */
async function ofCa(
  services: PreflightServices,
  { name, identifiers, keyType, profile }: Certificate,
  how: { readonly issuer: string; readonly solvers: readonly NamedSolver[]; readonly thorough: boolean },
  signal: AbortSignal,
): Promise<readonly NameConcern[]> {
  const { issuer, solvers, thorough } = how;
  const concern = (check: string, message: string, fatal: boolean): NameConcern[] => [
    { identifier: null, solver: null, check, message: `issuer "${issuer}": ${message}`, fatal },
  ];
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(CA_TIMEOUT_MS)]);
  try {
    const request = { certificate: name, identifiers, keyType, profile };
    const found = await services.issuer(issuer).eligibility?.(request, solvers, bounded);
    const { obstacle = null, isCaa = false, notes = [] } = found ?? {};
    if (obstacle === null) return thorough ? notes.flatMap((note) => concern("caa", note, false)) : [];
    return isCaa ? concern("caa", obstacle, true) : concern("issuer", obstacle, thorough);
  } catch (thrown) {
    signal.throwIfAborted();
    // The order asks the CA next, and reports what it says.
    const why = bounded.aborted ? `no answer within ${CA_TIMEOUT_MS / 1_000} s` : toRenewalError(thrown).message;
    return thorough ? concern("issuer", why, false) : [];
  }
}

/** Throws `acme.caa` or `challenge.preflight` when one of the concerns means that the order cannot succeed. */
export function assertWorthOrdering(concerns: readonly NameConcern[]): void {
  const fatal = concerns.filter((concern) => concern.fatal);
  if (fatal.length === 0) return;
  const text = `Nothing was ordered, as it cannot succeed: ${fatal.map(concernText).join("; ")}.`;
  const code = fatal.some(({ check }) => check === "caa") ? "acme.caa" : "challenge.preflight";
  throw new RenewalError(code, text.slice(0, MESSAGE_CHARACTERS_MAX));
}

export function concernText({ identifier, message }: NameConcern): string {
  return identifier === null ? message : `${identifier}: ${message.replace(/\.$/, "")}`;
}
