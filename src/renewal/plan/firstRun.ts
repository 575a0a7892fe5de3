import pLimit from "p-limit";
import type { Certificate } from "../../domain/certificate.ts";
import type { Endpoint } from "../../domain/endpoint.ts";
import { namesCover } from "../../domain/identifier.ts";
import { formatInstant } from "../../domain/time.ts";
import type { Context } from "../context.ts";
import { FIRST_RUN, pause } from "../operator/pause.ts";
import { configure } from "./configure.ts";

/** Endpoints that are dialled at the same time. */
const AT_ONCE = 32;
/** How long the survey of a whole estate may take. What did not answer by then counts as not in use. */
const SURVEY_MAX_MS = 15_000;

/** A valid certificate for the same names that an endpoint serves now, and that renewd did not issue. */
export interface PairInUse {
  readonly certificate: string;
  /** `host:port` of the endpoint that served it. */
  readonly endpoint: string;
  readonly issuer: string;
  readonly serial: string;
  /** ms since epoch. */
  readonly notAfter: number;
}

/** The database knows no certificate yet: renewd has never run here. */
export async function isFirstRun({ store }: Pick<Context, "store">): Promise<boolean> {
  return (await store.certificates.list()).length === 0;
}

/**
 * Certificates without a version whose names an endpoint already serves: the first run would order new ones and replace
 * them. One handshake with one address of each endpoint; changes nothing.
 */
export async function findPairsInUse(context: Context, signal: AbortSignal): Promise<PairInUse[]> {
  const { store, services } = context;
  const known = new Set((await store.versions.listLatest()).map(({ certificate }) => certificate));
  const unknown = services.certificates().filter(({ name, mode }) => !known.has(name) && mode === "renew");
  const limit = pLimit(AT_ONCE);
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(SURVEY_MAX_MS)]);
  const found = await Promise.all(
    unknown.map(async (certificate) => {
      for (const endpoint of certificate.endpoints) {
        const inUse = await limit(() => servedBy(context, certificate, endpoint, bounded));
        if (inUse !== null) return inUse;
      }
      return null;
    }),
  );
  signal.throwIfAborted();
  return found.filter((each) => each !== null);
}

async function servedBy(
  { probe, clock }: Context,
  { name, identifiers }: Certificate,
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<PairInUse | null> {
  const served = await askFirstAddress(probe, endpoint, signal);
  if (served === null || served.notAfter <= clock.now()) return null;
  const covers = identifiers.every(({ value }) => namesCover(served.subjectAltNames, value));
  if (!covers) return null;
  const { issuer, serial, notAfter } = served;
  return { certificate: name, endpoint: `${endpoint.host}:${endpoint.port}`, issuer, serial, notAfter };
}

async function askFirstAddress(probe: Context["probe"], endpoint: Endpoint, signal: AbortSignal) {
  try {
    signal.throwIfAborted();
    const [address] = await probe.addresses(endpoint, signal);
    return address === undefined ? null : (await probe.observe(endpoint, address, null, signal)).served;
  } catch {
    // Nobody answers there, or not in time: then nothing is replaced.
    return null;
  }
}

/** Pauses what is in use before a planner can order anything. A person imports it or lets renewd replace it. */
export async function holdPairsInUse(
  context: Context,
  pairs: readonly PairInUse[],
  signal: AbortSignal,
): Promise<void> {
  await configure(context, signal);
  for (const { certificate, endpoint, notAfter } of pairs) {
    const reason =
      `${FIRST_RUN}${endpoint} serves another certificate until ${formatInstant(notAfter)}: ` +
      `\`renewd import ${certificate}\` takes it over, \`renewd resume ${certificate}\` replaces it`;
    await pause(context.store, { certificate, reason, until: null }, context.clock.now());
  }
}
