import type { HistoryEvent } from "../../domain/event.ts";
import type { Store } from "../../domain/store.ts";
import { MINUTE_MS } from "../../domain/time.ts";
import type { Context } from "../context.ts";
import { invalidRequest, knownRecord } from "../operator/subject.ts";

/** A request that no planner has carried out for so long is forgotten: somebody asks again. */
export const REQUEST_KEPT_MS = 90 * MINUTE_MS;

export interface RehearsalWish {
  readonly certificate: string;
  readonly by: string | null;
  readonly why: string | null;
}

/** Asks for a rehearsal, which a planner carries out. Throws `request.invalid` when one is asked for already. */
export async function requestRehearsal(
  { store, clock }: Pick<Context, "store" | "clock">,
  { certificate, by, why }: RehearsalWish,
): Promise<void> {
  await store.transaction(async (tx) => {
    const at = clock.now();
    await tx.certificates.lock([certificate]);
    await knownRecord(tx, certificate);
    if ((await openRequests(tx, at)).some((event) => event.certificate === certificate))
      throw invalidRequest(`"${certificate.slice(0, 80)}" is being rehearsed already`);
    await tx.certificates.update(certificate, { nextRehearsalAt: at });
    const detail = { by, ...(why !== null && { why }) };
    const event = { at, type: "certificate.rehearsalRequested", certificate, renewalId: null, target: null } as const;
    await tx.events.append({ ...event, detail });
  });
}

const REQUESTS_MAX = 1_000;

/** Of each certificate the last request that no rehearsal has answered, oldest first. */
export async function openRequests({ events }: Pick<Store, "events">, now: number): Promise<HistoryEvent[]> {
  const since = now - REQUEST_KEPT_MS;
  const types = ["certificate.rehearsalRequested", "certificate.rehearsed"] as const;
  const open = new Map<string, HistoryEvent>();
  for (const event of await events.list({ types, since, limit: REQUESTS_MAX, sealed: true })) {
    if (event.certificate === null) continue;
    if (event.type === "certificate.rehearsalRequested") open.set(event.certificate, event);
    else open.delete(event.certificate);
  }
  return [...open.values()];
}
