import pLimit from "p-limit";
import { type Certificate, FIRST_RUN } from "../../domain/certificate.ts";
import type { EndpointStatus } from "../../domain/deployment.ts";
import { type Endpoint, endpointKey, type Observation } from "../../domain/endpoint.ts";
import { RenewalError } from "../../domain/errors.ts";
import { namesCover } from "../../domain/identifier.ts";
import { latestVersions } from "../../domain/latestVersions.ts";
import { formatInstant } from "../../domain/time.ts";
import { IMPORTED } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { pause } from "../operator/pause.ts";
import { OF_OTHERS } from "../rules/served.ts";
import { configure } from "./configure.ts";

/** Endpoints that are dialled at the same time. */
const AT_ONCE = 256;
/** For a name look-up, and for a handshake with one address: at a first run most endpoints answer at once or never. */
const ADDRESS_MAX_MS = 4_000;
/** Of one endpoint. The first may be an IPv6 address, to which this machine may have no route. */
const ADDRESSES_MAX = 3;
/**
 * Of a larger fleet a sample is asked: all of it would take minutes, and the answer of most is that of the others. A
 * thousand endpoints that never answer take less time.
 */
const SURVEY: SurveyLimits = { wholeMax: 10_000, sample: 500, maxMs: 120_000 };

export interface SurveyLimits {
  /** So many certificates are all asked. */
  readonly wholeMax: number;
  /** So many of more are. */
  readonly sample: number;
  readonly maxMs: number;
}

/** A valid certificate for the same names that an endpoint serves now, and that renewd did not issue. */
export interface PairInUse {
  readonly certificate: string;
  /** `host:port` of the endpoint that served it. */
  readonly endpoint: string;
  readonly issuer: string;
  readonly serial: string;
  /** ms since epoch. */
  readonly notAfter: number;
  readonly seen: { readonly endpoint: Endpoint; readonly observation: Observation };
}

export interface InUse {
  readonly pairs: readonly PairInUse[];
  /** How many certificates may be in use as well: they are beyond the sample, or there was no time to ask. */
  readonly unasked: number;
}

/**
 * renewd has issued nothing here. Certificates may be known already: some were imported, or a process ended between
 * their first appearance and the decision about them.
 */
export async function isFirstRun({ store }: Pick<Context, "store">): Promise<boolean> {
  if ((await store.versions.origins()).some(({ issuer }) => issuer !== IMPORTED)) return false;
  const unreadable: unknown[] = [];
  for await (const { issuer } of latestVersions(store, (key) => unreadable.push(key)))
    if (issuer !== IMPORTED) return false;
  return unreadable.length === 0;
}

/** Without those that a person has resumed, and those with a renewal: there the decision is made. */
export async function undecided({ store }: Pick<Context, "store">, pairs: readonly PairInUse[]): Promise<PairInUse[]> {
  const open: PairInUse[] = [];
  for (const pair of pairs) {
    const { certificate } = pair;
    const renewals = await store.renewals.list({ certificate, limit: 1 });
    const resumes = await store.events.list({ types: ["certificate.resumed"], certificate, limit: 1, sealed: true });
    if (renewals.length === 0 && resumes.length === 0) open.push(pair);
  }
  return open;
}

/**
 * Certificates without a version of which an endpoint already serves a name: the first run would order new ones and
 * replace them. Addresses of an endpoint are dialled until one answers; changes nothing.
 */
export async function findPairsInUse(context: Context, signal: AbortSignal, limits = SURVEY): Promise<InUse> {
  const { store, services } = context;
  // A version that cannot be read is one all the same.
  const known = new Set<string>();
  for await (const { certificate } of latestVersions(store, (version) => known.add(version.certificate)))
    known.add(certificate);
  const unknown = services.certificates().filter(({ name, mode }) => !known.has(name) && mode === "renew");
  const asked = sampleOf(unknown, limits);
  const limit = pLimit(AT_ONCE);
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(limits.maxMs)]);
  const late = new Set<string>();
  const found = await Promise.all(
    asked.map(async (certificate) => {
      for (const endpoint of certificate.endpoints) {
        const inUse = await limit(() => servedBy(context, certificate, endpoint, bounded));
        if (inUse !== null) return inUse;
        // Also of one that was being asked when the time was over nothing is known.
        if (bounded.aborted) late.add(certificate.name);
      }
      return null;
    }),
  );
  signal.throwIfAborted();
  return { pairs: found.filter((each) => each !== null), unasked: unknown.length - asked.length + late.size };
}

/** From everywhere in the list: neighbours are often of one kind. */
function sampleOf<T>(all: readonly T[], { wholeMax, sample }: SurveyLimits): readonly T[] {
  if (all.length <= wholeMax) return all;
  return Array.from({ length: sample }, (_, index) => all[Math.floor((index * all.length) / sample)]).filter(
    (each) => each !== undefined,
  );
}

async function servedBy(
  { probe, clock }: Context,
  { name, identifiers }: Certificate,
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<PairInUse | null> {
  const observation = await askEndpoint(probe, endpoint, signal);
  const served = observation?.served ?? null;
  if (observation === null || served === null || served.notAfter <= clock.now()) return null;
  // One name is enough: a new name beside those that clients use does not make the pair there renewd's.
  if (!identifiers.some(({ value }) => namesCover(served.subjectAltNames, value))) return null;
  const { issuer, serial, notAfter } = served;
  const seen = { endpoint, observation };
  return { certificate: name, endpoint: `${endpoint.host}:${endpoint.port}`, issuer, serial, notAfter, seen };
}

/** What was seen at its first address that serves anything; null: nobody answers in time, so nothing is replaced. */
async function askEndpoint(
  probe: Context["probe"],
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<Observation | null> {
  const bounded = (): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(ADDRESS_MAX_MS)]);
  const addresses = await probe.addresses(endpoint, bounded()).catch(() => []);
  for (const address of addresses.slice(0, ADDRESSES_MAX)) {
    if (signal.aborted) return null;
    const seen = await probe.observe(endpoint, address, null, bounded()).catch(() => null);
    if (seen !== null && seen.served !== null) return seen;
  }
  return null;
}

/**
 * Before a planner orders anything for a new estate: what endpoints serve already is replaced if `mayReplace` says so,
 * and held otherwise. Of what was not asked renewd assumes nothing, and holding very many would leave each to a person: it
 * throws `request.invalid` instead, unless `mayReplace` says yes.
 */
export async function surveyFirstRun(
  context: Context,
  mayReplace: (inUse: InUse) => Promise<boolean>,
  signal: AbortSignal,
  limits = SURVEY,
): Promise<void> {
  if (!(await isFirstRun(context))) return;
  const { pairs: found, unasked } = await findPairsInUse(context, signal, limits);
  const pairs = await undecided(context, found);
  if (pairs.length + unasked === 0 || (await mayReplace({ pairs, unasked }))) return;
  if (unasked > 0)
    throw new RenewalError(
      "request.invalid",
      `first run: endpoints serve other certificates for ${found.length} of those that were asked, and ${unasked} were ` +
        "not asked: start with `--yes` to order all and replace what is served, or with `mode: observe` under `defaults` " +
        "to look first",
    );
  await holdPairsInUse(context, pairs, signal);
  const certificates = pairs.map(({ certificate }) => certificate);
  context.log.warn({ certificates }, "first run: held, as other certificates are in use there; see renewd status");
}

/** Pauses what is in use before a planner can order anything. A person imports it or lets renewd replace it. */
export async function holdPairsInUse(
  context: Context,
  pairs: readonly PairInUse[],
  signal: AbortSignal,
): Promise<void> {
  await configure(context, signal);
  for (const { certificate, endpoint, notAfter, seen } of pairs) {
    // What clients get, and until when, is shown although nothing is issued.
    await context.store.observations.record(statusOf(certificate, seen), [{ ...seen.observation, problem: null }]);
    const reason = `${FIRST_RUN}${endpoint} serves another certificate until ${formatInstant(notAfter)}`;
    await pause(context.store, { certificate, reason, until: null }, context.clock.now());
  }
}

function statusOf(certificate: string, { endpoint, observation }: PairInUse["seen"]): EndpointStatus {
  const roundEndedAt = observation.at;
  const found = { generation: OF_OTHERS, proved: true, errorCode: null, errorMessage: null };
  return { certificate, endpoint: endpointKey(endpoint), roundEndedAt, ...found };
}
