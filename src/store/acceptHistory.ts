import type { Clock } from "../domain/clock.ts";
import { RenewalError } from "../domain/errors.ts";
import { ACCEPTED_MAX, rangeText, rowText } from "./acceptedFaults.ts";
import type { HistoryAudit } from "./audit.ts";
import type { Database } from "./database.ts";
import { resealHead } from "./historySeal.ts";
import { eventStore, lockHistory } from "./queries/events.ts";
import { atomically } from "./schema.ts";
import type { Vault } from "./vault.ts";

export interface Acceptance {
  readonly by: string | null;
  readonly reason: string;
  /** Of the process that asks. */
  readonly worker: string;
  readonly clock: Pick<Clock, "now">;
}

/**
 * Records that a person knows what an audit has found, so that retention and audits go on from there. Nothing is put
 * right: altered rows stay without a valid seal, and no worker obeys them.
 */
export async function acceptFaults(
  { db, dialect }: Database,
  vault: Vault,
  { faults, rows, lostHeads, headProblem, last }: HistoryAudit,
  { by, reason, worker, clock }: Acceptance,
): Promise<void> {
  const events = faults.flatMap((fault) => {
    // The next number is above it, so the numbers up to it will be missing.
    const gap = fault.kind === "foreign" && last !== null && fault.from > last + 1;
    return gap
      ? [rangeText({ kind: "missing", from: last + 1, to: fault.from - 1 }), rangeText(fault)]
      : [rangeText(fault)];
  });
  if (events.length > ACCEPTED_MAX || rows.length > ACCEPTED_MAX)
    throw new RenewalError(
      "request.invalid",
      `more than ${ACCEPTED_MAX} places were changed: restore a backup instead of accepting them`,
    );
  const detail = { by, reason, headProblem, events, rows: rows.map(rowText), heads: lostHeads };
  await atomically(db, async (trx) => {
    await lockHistory(trx, { dialect });
    if (headProblem === "altered") await resealHead(trx, vault);
    const of = { certificate: null, renewalId: null, target: null };
    const writer = { dialect, vault, worker };
    await eventStore(trx, writer).append({ at: clock.now(), type: "history.accepted", ...of, detail });
  });
}
