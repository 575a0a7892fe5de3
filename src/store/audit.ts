import { setImmediate as nextTurn } from "node:timers/promises";
import type { HistoryMark } from "../domain/event.ts";
import type { EventStore } from "../domain/store.ts";
import { AcceptedEvents, type AcceptedFaults, type HistoryFault, readAccepted, rowText } from "./acceptedFaults.ts";
import { auditRows, HistoryClaims, type RowFault } from "./auditRows.ts";
import type { Database } from "./database.ts";
import { markText, stillHolds } from "./historyMark.ts";
import { type HistoryHead, headSealOf, isBeforeSealing, readHead, sealOf } from "./historySeal.ts";
import { eventStore } from "./queries/events.ts";
import type { Db, Schema } from "./schema.ts";
import type { Vault } from "./vault.ts";

export interface HistoryAudit {
  /** How many events there are. */
  readonly events: number;
  /** Of these, how many are older than sealing, which nothing can be said of. */
  readonly unsealed: number;
  /** Numbers of the first and the last event there must be; null: see `headProblem`. */
  readonly firstSealed: number | null;
  readonly last: number | null;
  /** Retention removed every event up to this number, which the sealed head proves; 0: none. */
  readonly prunedTo: number;
  /** Null: what says which events there must be is as renewd wrote it. */
  readonly headProblem: "absent" | "altered" | null;
  /** The newest event, to be kept elsewhere: see `parseMark`. */
  readonly head: string | null;
  /** Events that were noted outside the database and are gone: the history was put back or deleted. */
  readonly lostHeads: readonly string[];
  readonly rows: readonly RowFault[];
  /** In order; neighbours of one kind are one fault. */
  readonly faults: readonly HistoryFault[];
  /** What was found earlier and accepted by a person; none of it is named above again. */
  readonly accepted: readonly AcceptedFaults[];
}

export interface AuditOptions {
  /** Events that were noted outside the database. */
  readonly noted: readonly (Pick<HistoryMark, "seq" | "seal"> & { readonly at?: number })[];
  /** ms since epoch. */
  readonly now: number;
}

const PAGE_ROWS = 1_000;

/**
 * Reads the history as it is at one instant; checks every event against its seal and its number. Finds what was
 * edited, deleted or added behind renewd's back by anyone without the master key. That the
 * whole database was put back to an earlier state shows only against `noted`.
 */
export async function auditHistory(
  { db, dialect }: Database,
  vault: Vault,
  { noted, now }: AuditOptions,
  signal: AbortSignal,
): Promise<HistoryAudit> {
  return db
    .transaction()
    .setAccessMode("read only")
    .execute(async (reader) => {
      const head = await readHead(reader);
      const claims = new HistoryClaims();
      const faults: HistoryFault[] = [];
      let [events, unsealed, seen] = [0, 0, 0];
      for await (const row of everyEvent(reader, signal)) {
        events += 1;
        // Before sealing, PostgreSQL left gaps where a transaction was rolled back.
        const wanted = Math.max(seen + 1, firstOf(head));
        if (head !== null && row.seq > wanted && wanted <= head.last)
          add(faults, { kind: "missing", from: wanted, to: Math.min(row.seq - 1, head.last) });
        if (isOlder(row, head)) unsealed += 1;
        else {
          const kind = faultOf(row, head, vault);
          if (kind === null) claims.add(row);
          else add(faults, { kind, from: row.seq, to: row.seq });
        }
        seen = row.seq;
      }
      if (head !== null && head.last > seen)
        add(faults, { kind: "missing", from: Math.max(seen + 1, firstOf(head)), to: head.last });
      const history = eventStore(reader, { dialect, vault, worker: "audit" });
      const newest = await history.mark();
      const accepted = await readAccepted(reader, vault);
      const acceptedEvents = new AcceptedEvents(accepted);
      const [rows, heads] = [new Set<string>(), new Set<string>()];
      for (const each of accepted) {
        for (const row of each.rows) rows.add(row);
        for (const noted of each.heads) heads.add(noted);
      }
      return {
        events,
        unsealed,
        firstSealed: head?.firstSealed ?? null,
        prunedTo: head?.prunedTo ?? 0,
        last: head?.last ?? null,
        headProblem: headProblem(head, vault),
        head: newest === null ? null : markText(newest),
        lostHeads: (await lostHeads(history, noted)).filter((lost) => !heads.has(lost)),
        faults: faults.flatMap((fault) => acceptedEvents.rest(fault)),
        rows: (await auditRows(reader, vault, claims, now)).filter((fault) => !rows.has(rowText(fault))),
        accepted,
      };
    });
}

async function* everyEvent(reader: Db, signal: AbortSignal): AsyncGenerator<Schema["events"]> {
  // Numbers begin with 1, for renewd.
  for (let after = Number.MIN_SAFE_INTEGER, full = true; full; ) {
    signal.throwIfAborted();
    const rows = await reader
      .selectFrom("events")
      .selectAll()
      .where("seq", ">", after)
      .orderBy("seq")
      .limit(PAGE_ROWS)
      .execute();
    yield* rows;
    // Of a process that also answers pages.
    await nextTurn();
    after = rows.at(-1)?.seq ?? after;
    full = rows.length === PAGE_ROWS;
  }
}

function isOlder({ seq, seal }: Schema["events"], head: HistoryHead | null): boolean {
  return seal === null && (head === null || isBeforeSealing(head, seq));
}

function faultOf(row: Schema["events"], head: HistoryHead | null, vault: Vault): HistoryFault["kind"] | null {
  const seal = sealOf(vault, row);
  if (head !== null && (row.seq > head.last || row.seq < firstOf(head))) return "foreign";
  return row.seal === seal ? null : "altered";
}

/** The first sealed event there must be. */
function firstOf(head: HistoryHead | null): number {
  return Math.max(head?.firstSealed ?? 1, (head?.prunedTo ?? 0) + 1);
}

/** Nothing to prove is no proof: the first start of an installation writes events, and who deletes them may delete all. */
function headProblem(head: HistoryHead | null, vault: Vault): HistoryAudit["headProblem"] {
  if (head === null) return "absent";
  return head.seal === headSealOf(vault, head) ? null : "altered";
}

async function lostHeads(history: EventStore, noted: AuditOptions["noted"]): Promise<string[]> {
  const lost: string[] = [];
  for (const mark of noted) if (!(await stillHolds(history, mark))) lost.push(markText(mark));
  return lost;
}

function add(faults: HistoryFault[], fault: HistoryFault): void {
  const previous = faults.at(-1);
  if (previous?.kind === fault.kind && previous.to + 1 === fault.from)
    faults[faults.length - 1] = { ...previous, to: fault.to };
  else faults.push(fault);
}
