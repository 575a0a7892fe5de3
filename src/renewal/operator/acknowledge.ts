import type { Acknowledgement } from "../../domain/heartbeat.ts";
import type { Store } from "../../domain/store.ts";
import { invalidRequest } from "./subject.ts";

/** `certificate` null: the finding is about renewd itself. */
export type Acknowledged = Acknowledgement & { readonly certificate: string | null };

/** A person has seen a finding: until the instant it is shown, but nobody is called for it. */
export async function acknowledge(store: Store, { certificate, ...acknowledged }: Acknowledged): Promise<void> {
  const { subject, kinds, reason, by, at, until } = acknowledged;
  await store.transaction(async (tx) => {
    await tx.health.acknowledge(acknowledged);
    const detail = { subject, kinds: [...kinds], reason, by, until };
    await tx.events.append({ at, type: "problem.acknowledged", certificate, renewalId: null, target: null, detail });
  });
}

export interface Withdrawal {
  readonly subject: string;
  readonly certificate: string | null;
  readonly by: string | null;
  /** ms since epoch. */
  readonly at: number;
}

/** Throws `request.invalid` when it was not acknowledged. */
export async function withdrawAcknowledgement(
  store: Store,
  { subject, certificate, by, at }: Withdrawal,
): Promise<void> {
  await store.transaction(async (tx) => {
    if (!(await tx.health.withdraw(subject))) throw invalidRequest(`"${subject.slice(0, 80)}" is not acknowledged`);
    const detail = { subject, by };
    await tx.events.append({ at, type: "problem.unacknowledged", certificate, renewalId: null, target: null, detail });
  });
}
