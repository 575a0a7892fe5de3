import pLimit from "p-limit";
import type { Certificate } from "../../domain/certificate.ts";
import type { EndpointStatus } from "../../domain/deployment.ts";
import {
  type Endpoint,
  type Evidence,
  endpointKey,
  type Observation,
  type UndialablePolicy,
} from "../../domain/endpoint.ts";
import { toRenewalError } from "../../domain/errors.ts";
import type { ObservedAddress } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import type { ProofTerms } from "../rules/proof.ts";
import { TRUST_FINDINGS } from "../rules/watched.ts";
import { certificateNames, type Gathered, type Gathering, gatherEvidence, knownEvidence } from "./gatherEvidence.ts";

/** Connections at the same time to all addresses of one endpoint. */
const CONNECTIONS_MAX = 32;

const UNTRUSTED_ADVICE =
  "`verification.trusted` asks for a trusted root: name your CA's in `verification.trust`, or issue from another CA.";

export interface EndpointRound {
  readonly status: EndpointStatus;
  readonly observations: readonly Observation[];
  /** By address. */
  readonly evidence: ReadonlyMap<string, Evidence>;
}

/** How far to go at one address, given what is known of it. */
export type Approach = (
  known: Evidence | null,
  terms: ProofTerms,
) => Pick<Gathering, "evidence" | "connectionsMin" | "pause" | "mayProve" | "stop">;

export interface Examined {
  readonly certificate: Certificate;
  readonly version: Version;
  readonly endpoints: readonly Endpoint[];
  /** What earlier looks found; absent: it is read. */
  readonly observed?: readonly ObservedAddress[];
  /** The processes that took the certificate, by endpoint; absent: they are asked for. */
  readonly servers?: ReadonlyMap<Endpoint, number>;
}

/** Opens connections to every address of each endpoint and says of each endpoint whether it is proved. */
export async function examineEndpoints(
  context: Context,
  { certificate, version, endpoints, observed, servers }: Examined,
  approach: Approach,
  signal: AbortSignal,
): Promise<EndpointRound[]> {
  const nameOf = certificateNames(context.store, version);
  const known = knownEvidence(observed ?? (await context.store.observations.observations(certificate.name)));
  return Promise.all(
    endpoints.map((endpoint) => {
      const terms = context.settings.proof;
      const limited = withConnectionLimit(withChainJudged(context));
      const asked = async (): Promise<number | null> =>
        servers?.get(endpoint) ?? serverOf(context, { certificate, version, endpoint }, signal);
      const server = once(asked);
      return examineEndpoint(context, endpoint, version, signal, (address) => {
        const how = approach(known(endpoint, address), terms);
        return gatherEvidence(limited, { endpoint, address, version, terms, nameOf, server, ...how }, signal);
      });
    }),
  );
}

async function examineEndpoint(
  { probe, clock, settings }: Context,
  endpoint: Endpoint,
  { certificate, generation }: Version,
  signal: AbortSignal,
  gather: (address: string) => Promise<Gathered>,
): Promise<EndpointRound> {
  const base = { certificate, endpoint: endpointKey(endpoint), generation };
  let addresses: string[];
  try {
    addresses = await probe.addresses(endpoint, signal);
  } catch (thrown) {
    signal.throwIfAborted();
    const { code, message } = toRenewalError(thrown);
    const status = { ...base, proved: false, roundEndedAt: clock.now(), errorCode: code, errorMessage: message };
    return { status, observations: [], evidence: new Map() };
  }
  const found = await Promise.all(addresses.map(gather));
  const { proved, wrong } = judge(found, settings.undialable);
  return {
    status: {
      ...base,
      proved,
      roundEndedAt: clock.now(),
      errorCode: wrong?.problem?.code ?? null,
      errorMessage: wrong?.problem ? `${wrong.address}: ${wrong.problem.message}` : null,
    },
    observations: found.map(({ observation }) => observation),
    evidence: new Map(found.map(({ observation, evidence }) => [observation.address, evidence])),
  };
}

/**
 * A chain served as it was issued may have ended since: then no client takes the certificate, although it is the right
 * one. Of two cross-signed intermediates the one that ended does no harm. With `verification.trusted` the chain must
 * lead to a trusted root as well.
 */
function withChainJudged(context: Context): Context {
  const { probe, judge, clock, settings } = context;
  if (judge === undefined) return context;
  const isUntrusted = (id: string): boolean => settings.trusted && TRUST_FINDINGS.includes(id);
  const observe: Context["probe"]["observe"] = async (endpoint, ...request) => {
    const seen = await probe.observe(endpoint, ...request);
    if (seen.served === null || seen.problem !== null) return seen;
    const findings = judge.findings(seen.served, endpoint.sni, clock.now());
    const found = findings.find(({ id }) => id === "chain.dates" || isUntrusted(id));
    if (found === undefined) return seen;
    const advice = isUntrusted(found.id) ? UNTRUSTED_ADVICE : found.advice;
    return { ...seen, problem: { code: "verify.badChain", message: `${found.message}. ${advice}` } };
  };
  return { ...context, probe: { ...probe, observe } };
}

/** Of the target behind the endpoint, or of the only one. A target with an agent is on another machine. */
export async function serverOf(
  { services }: Context,
  { certificate, version, endpoint }: { certificate: Certificate; version: Version; endpoint: Endpoint },
  signal: AbortSignal,
): Promise<number | null> {
  const [only = null, ...others] = certificate.targets;
  const target = endpoint.target ?? (others.length === 0 ? only : null);
  if (target === null || services.hasAgent(target)) return null;
  try {
    const request = { certificate: certificate.name, leafPem: version.leafPem };
    return (await services.deployer(target).server?.(request, signal)) ?? null;
  } catch {
    // What only saves time must not fail what is verified without it.
    signal.throwIfAborted();
    return null;
  }
}

function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | null = null;
  return () => (asked ??= ask());
}

function withConnectionLimit(context: Context): Context {
  const { probe } = context;
  const limit = pLimit(CONNECTIONS_MAX);
  return { ...context, probe: { ...probe, observe: (...request) => limit(() => probe.observe(...request)) } };
}

/**
 * The endpoint is proved by the addresses that can be dialled from here, and by one at least. Others say nothing, as
 * clients with a way there may well reach them.
 */
function judge(
  found: readonly Gathered[],
  policy: UndialablePolicy,
): { readonly proved: boolean; readonly wrong: Observation | undefined } {
  const dialled = policy === "fail" ? found : found.filter(({ observation }) => !isUndialable(observation));
  const judged = dialled.length > 0 ? dialled : found;
  const wrong = judged.find(({ proved }) => !proved)?.observation;
  return { proved: wrong === undefined, wrong };
}

export interface ProvedDetail {
  readonly addresses: number;
  /** In a row, at the address that has the fewest; where addresses differ, at those that took the whole time. */
  readonly connections: number;
  /** The one that alone answered. */
  readonly process?: number;
  readonly attested?: number;
  /** Addresses where it did; left out: all. */
  readonly atOnce?: number;
  readonly notDialled?: readonly string[];
}

/** What the proof of an endpoint rests on. */
export function provedDetail(
  observations: readonly Observation[],
  evidence: ReadonlyMap<string, Evidence>,
): ProvedDetail {
  const notDialled = observations.filter(isUndialable).map(({ address }) => address);
  const dialled = [...evidence].filter(([address]) => !notDialled.includes(address)).map(([, one]) => one);
  const atOnce = dialled.filter(({ server }) => server !== undefined);
  const others = dialled.filter(({ server }) => server === undefined);
  const [process] = atOnce.map(({ server }) => server);
  return {
    addresses: dialled.length,
    connections: Math.min(...(others.length > 0 ? others : atOnce).map(({ good }) => good)),
    ...(process !== undefined && { process, attested: fewestAttested(atOnce) }),
    ...(process !== undefined && others.length > 0 && { atOnce: atOnce.length }),
    ...(notDialled.length > 0 && { notDialled }),
  };
}

/** A record without it was proved by its own row alone. */
function fewestAttested(dialled: readonly Evidence[]): number {
  return Math.min(...dialled.map(({ good, attested = good }) => attested));
}

function isUndialable({ problem }: Observation): boolean {
  return problem?.code === "verify.undialable";
}
