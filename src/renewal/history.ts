import type { RenewalError } from "../domain/errors.ts";
import type { EventDetail, EventType, NewEvent } from "../domain/event.ts";
import type { Renewal } from "../domain/renewal.ts";

/** An event of a renewal's timeline. Append it in the transaction that writes the change it describes. */
export function renewalEvent(
  renewal: Pick<Renewal, "id" | "certificate">,
  at: number,
  type: EventType,
  detail: EventDetail,
  target: string | null = null,
): NewEvent {
  return { at, type, certificate: renewal.certificate, renewalId: renewal.id, target, detail };
}

/** What history keeps of an error: the code for machines; the message and what to do for people. */
export function errorDetail(error: RenewalError): { code: string; message: string; action: string } {
  return { code: error.code, message: error.message, action: error.facts.action };
}
