import { type Endpoint, endpointKey, isUnanswered } from "../../domain/endpoint.ts";
import type { NewEvent } from "../../domain/event.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import type { Context } from "../context.ts";
import { renewalEvent } from "../history.ts";
import { MIXED_LOOK_MS } from "../rules/proof.ts";
import { recordDifferences } from "../watch/recordDifferences.ts";
import { recordServedOf } from "../watch/recordServed.ts";
import { type EndpointRound, provedDetail } from "./examineEndpoint.ts";

export function verifyStarted(renewal: Renewal, endpoints: readonly Endpoint[], at: number): NewEvent {
  const detail = { generation: renewal.generation, endpoints: endpoints.map(endpointKey) };
  return renewalEvent(renewal, at, "verify.started", detail);
}

/** What was seen, with its events. Part of the caller's transaction. */
export async function recordVerified(
  { clock, judge, services }: Context,
  tx: Store,
  renewal: Renewal,
  rounds: readonly EndpointRound[],
): Promise<void> {
  const now = clock.now();
  const { certificate, id: renewalId } = renewal;
  const endpoints = services.certificate(certificate)?.endpoints ?? [];
  for (const { status, observations, evidence } of rounds) {
    await tx.observations.record(status, observations, evidence);
    await recordServedOf(tx, judge, endpoints, [{ status, observations }]);
    for (const event of eventsOf(renewal, { status, observations, evidence }, now)) await tx.events.append(event);
  }
  await recordDifferences(tx, { endpoints, certificate, renewalId, rounds }, now);
  if (rounds.some(({ status }) => status.errorCode === "verify.mixed"))
    await tx.certificates.update(certificate, { nextObservationAt: now + MIXED_LOOK_MS });
  if (rounds.some(({ status }) => isUnanswered(status.errorCode))) await tx.deployments.inspectBy(certificate, now);
}

function eventsOf(renewal: Renewal, { status, observations, evidence }: EndpointRound, now: number): NewEvent[] {
  const served = observations.map(({ address, port, served, problem }) => {
    const serial = served?.serial ?? null;
    const detail = { endpoint: status.endpoint, address, port, serial, problem: problem?.message ?? null };
    return renewalEvent(renewal, now, "verify.addressServed", detail);
  });
  const { endpoint, generation, errorCode: code, errorMessage: message } = status;
  const outcome = status.proved
    ? renewalEvent(renewal, now, "verify.converged", { endpoint, generation, ...provedDetail(observations, evidence) })
    : renewalEvent(renewal, now, "verify.stale", { endpoint, generation, code, message });
  return [...served, outcome];
}

export function logProved({ log }: Context, renewal: Renewal, rounds: readonly EndpointRound[]): void {
  const { certificate, id: renewalId } = renewal;
  for (const { status } of rounds) {
    const { endpoint, generation, proved } = status;
    if (proved) log.info({ certificate, renewalId, endpoint, generation }, "proved live");
  }
}
