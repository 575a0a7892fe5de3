import pLimit from "p-limit";
import type { Certificate } from "../../domain/certificate.ts";
import type { EndpointStatus } from "../../domain/deployment.ts";
import { type Endpoint, endpointKey, type Observation } from "../../domain/endpoint.ts";
import { toRenewalError } from "../../domain/errors.ts";
import { namesCover } from "../../domain/identifier.ts";
import type { Store } from "../../domain/store.ts";
import { formatAgo } from "../../domain/time.ts";
import type { WatchedAddress } from "../../domain/watched.ts";
import type { Context } from "../context.ts";
import { MIXED_LOOK_MS } from "../rules/proof.ts";
import { isWatchedOnly, OF_OTHERS, servedInUse } from "../rules/served.ts";
import { endpointsOf } from "../rules/vantages.ts";
import { withStale } from "../rules/watched.ts";
import { expiryWarningAt } from "../rules/window.ts";
import { type Asking, askMembers, servedEarlier } from "./members.ts";
import { recordServedOf } from "./recordServed.ts";

/** Connections at the same time to the endpoints of one certificate. */
const CONNECTIONS_MAX = 16;

interface Round {
  readonly status: EndpointStatus;
  readonly observations: readonly Observation[];
}

/**
 * `mode: observe` of a certificate that renewd has no pair of: what its endpoints serve is all there is to watch.
 * Another certificate than last time is no fault, as other tooling renews it; one that is not for the names, or has
 * ended, is.
 */
export async function observeServed(
  context: Context,
  certificate: Certificate,
  asking: Asking,
  signal: AbortSignal,
): Promise<void> {
  const limit = pLimit(CONNECTIONS_MAX);
  const known = await context.store.observations.observations(certificate.name);
  const rounds = await Promise.all(
    endpointsOf(certificate.endpoints, context.vantage).map((endpoint) => {
      const at = endpointKey(endpoint);
      const last = known.filter((each) => each.endpoint === at).map(({ observation }) => observation);
      const before = last.length === 0 ? null : last;
      return limit(() => dial(context, { certificate, endpoint, last: before }, asking, signal));
    }),
  );
  const now = context.clock.now();
  await context.store.transaction(async (tx) => {
    await record(tx, certificate, rounds, now);
    await recordServedOf(tx, context.judge, certificate.endpoints, rounds);
  });
}

interface Dialled {
  readonly certificate: Certificate;
  readonly endpoint: Endpoint;
  /** What its addresses showed at the last look; null: nobody has looked yet. */
  readonly last: readonly Observation[] | null;
}

async function dial(
  { probe, clock, store }: Context,
  { certificate, endpoint, last }: Dialled,
  asking: Asking,
  signal: AbortSignal,
): Promise<Round> {
  const all: Observation[] = [];
  const status = (problem: Observation["problem"]): EndpointStatus => ({
    certificate: certificate.name,
    endpoint: endpointKey(endpoint),
    generation: OF_OTHERS,
    proved: problem === null,
    roundEndedAt: clock.now(),
    errorCode: problem?.code ?? null,
    errorMessage: problem?.message ?? null,
  });
  try {
    for (const address of await probe.addresses(endpoint, signal)) {
      const ask = () => probe.observe(endpoint, address, null, signal);
      all.push(...(await askMembers({ first: await ask(), last, ask }, asking)));
    }
  } catch (thrown) {
    signal.throwIfAborted();
    return { status: status(toRenewalError(thrown)), observations: worstOfEach(all) };
  }
  const judged = all.map((seen): WatchedAddress => {
    const problem = seen.problem ?? faultOf(seen, certificate, clock.now());
    return { observation: { ...seen, problem }, state: problem === null ? "good" : "notValid" };
  });
  const stale = withStale(judged, await servedEarlier(store, endpoint, judged));
  const observations = worstOfEach(stale.map(({ observation }) => observation));
  const wrong = observations.find(({ problem }) => problem !== null);
  const problem = wrong?.problem ?? null;
  return {
    status: status(problem && { code: problem.code, message: `${wrong?.address}: ${problem.message}` }),
    observations,
  };
}

/** Of the members behind one address, the one with a problem, else the one whose certificate ends first. */
function worstOfEach(all: readonly Observation[]): Observation[] {
  return [...Map.groupBy(all, ({ address }) => address).values()].flatMap((seen) => {
    const rank = ({ problem, served }: Observation): number => (problem === null ? (served?.notAfter ?? 0) : -1);
    return seen.toSorted((a, b) => rank(a) - rank(b)).slice(0, 1);
  });
}

function faultOf({ served }: Observation, { identifiers }: Certificate, now: number): Observation["problem"] {
  if (served === null) return { code: "verify.unreachable", message: "it serves no certificate" };
  if (served.notAfter <= now)
    return {
      code: "verify.notValid",
      message: `serial ${served.serial} by ${served.issuer} expired ${formatAgo(now - served.notAfter)}`,
    };
  const missing = identifiers.filter(({ value }) => !namesCover(served.subjectAltNames, value));
  if (missing.length === 0) return null;
  const names = missing.map(({ value }) => value).join(", ");
  return {
    code: "verify.wrongCertificate",
    message: `serial ${served.serial} by ${served.issuer} is not for ${names}`,
  };
}

/** The history gets changes only. */
async function record(tx: Store, certificate: Certificate, rounds: readonly Round[], now: number): Promise<void> {
  const { name } = certificate;
  await tx.certificates.lock([name]);
  // It was imported meanwhile.
  if (!isWatchedOnly(certificate, await tx.versions.latest(name))) return;
  const before = new Map((await tx.observations.statuses(name)).map((status) => [status.endpoint, status]));
  const lastServed = servedInUse((await tx.observations.observations(name)).map(({ observation }) => observation));
  for (const { status, observations } of rounds) {
    await tx.observations.record(status, observations);
    const known = before.get(status.endpoint);
    const { endpoint, generation, errorCode: code, errorMessage: message } = status;
    if (code === null || known?.errorCode === code) continue;
    const base = { at: now, certificate: name, renewalId: null, target: null };
    await tx.events.append({ ...base, type: "verify.stale", detail: { endpoint, generation, code, message } });
  }
  const isOwed = ({ served, owed }: Observation): boolean => served !== null && owed !== undefined;
  if (rounds.some(({ observations }) => observations.some(isOwed))) await observeWithin(tx, name, now + MIXED_LOOK_MS);
  // What other vantages saw last counts on.
  const inUse = servedInUse((await tx.observations.observations(name)).map(({ observation }) => observation));
  // The tool that renewed it is not renewd, so the next end needs its own warning.
  if (inUse !== null && inUse.notAfter !== lastServed?.notAfter)
    await tx.certificates.update(name, { expiryWarningAt: expiryWarningAt(inUse) });
}

/** From every vantage, unless its next look is sooner. */
export async function observeWithin(tx: Store, name: string, at: number): Promise<void> {
  const record = await tx.certificates.get(name);
  const nextObservationAt = Math.min(record?.nextObservationAt ?? at, at);
  await tx.certificates.update(name, { nextObservationAt });
}
