import type { Alert, AlertAcknowledgement } from "../../domain/alert.ts";
import type { Store } from "../../domain/store.ts";
import type { Context } from "../context.ts";
import { messageOf } from "../rules/alerts/messages.ts";
import { invalidRequest } from "./subject.ts";

export interface AlertTaken extends AlertAcknowledgement {
  readonly alert: string;
  /** Of a link: how often the alert had been acknowledged when it was sent. null: any number. */
  readonly acknowledgements: number | null;
}

/**
 * A person takes an alert on: it goes to nobody else. Those who were notified are told who. Throws `request.invalid`
 * when there is no such alert, it is over, or a link was used before.
 */
export async function acknowledgeAlert(
  { store, services }: Pick<Context, "store" | "services">,
  { alert: id, acknowledgements, by, reason, at, via }: AlertTaken,
): Promise<Alert> {
  return store.transaction(async (tx: Store) => {
    await tx.alerts.lock();
    const alert = await tx.alerts.get(id);
    if (alert === null) throw invalidRequest(`there is no alert "${id.slice(0, 80)}": see \`renewd alerts\``);
    if (alert.resolvedAt !== null) throw invalidRequest(`alert ${id} is over`);
    if (acknowledgements !== null && acknowledgements !== alert.acknowledgements)
      throw invalidRequest(`this link was used already, or the alert was acknowledged in another way`);
    // Sent twice, by a double click or a script, it is news once.
    const { acknowledgement: known } = alert;
    if (known !== null && known.by === by && known.reason === reason) return alert;
    const acknowledgement = { by, reason, at, via };
    const taken = { ...alert, acknowledgement, acknowledgements: alert.acknowledgements + 1 };
    await tx.alerts.save(taken);
    const channels = services.channels();
    // To an alerting service that knows no acknowledgements it would be the alert once more.
    const told = alert.channels.filter((name) => {
      const channel = channels.get(name);
      return channel !== undefined && (!channel.keepsAlerts || channel.takesAcknowledgements === true);
    });
    const { type, certificate, target, detail } = messageOf("acknowledged", taken, told, at);
    await tx.events.append({ at, type, certificate, renewalId: null, target, detail: { ...detail, by, reason, via } });
    return taken;
  });
}

/** It goes to the next ones again. */
export async function withdrawAlert(
  { store }: Pick<Context, "store">,
  { alert: id, by, at }: { readonly alert: string; readonly by: string | null; readonly at: number },
): Promise<Alert> {
  return store.transaction(async (tx: Store) => {
    await tx.alerts.lock();
    const alert = await tx.alerts.get(id);
    if (alert?.acknowledgement == null) throw invalidRequest(`alert "${id.slice(0, 80)}" is not acknowledged`);
    const open = { ...alert, acknowledgement: null };
    await tx.alerts.save(open);
    const of = { certificate: null, renewalId: null, target: null };
    const detail = { subject: `alert ${id}`, by };
    await tx.events.append({ at, type: "problem.unacknowledged", ...of, detail });
    return open;
  });
}
