import type { Database } from "./database.ts";
import { type HistoryHead, headSealOf, readHead, sealOf } from "./historySeal.ts";
import type { Db, Schema } from "./schema.ts";
import type { Vault } from "./vault.ts";

/** Events `from` to `to` are not as renewd wrote them. */
export interface HistoryFault {
  readonly kind: "altered" | "missing" | "foreign";
  readonly from: number;
  readonly to: number;
}

export interface HistoryAudit {
  /** How many events there are. */
  readonly events: number;
  /** Of these, how many are older than sealing, which nothing can be said of. */
  readonly unsealed: number;
  /** Numbers of the first and the last event there must be; null: see `headProblem`. */
  readonly firstSealed: number | null;
  readonly last: number | null;
  /** Null: what says which events there must be is as renewd wrote it. */
  readonly headProblem: "absent" | "altered" | null;
  /** In order; neighbours of one kind are one fault. */
  readonly faults: readonly HistoryFault[];
}

const PAGE_ROWS = 1_000;

/**
 * Reads the history as it is at one instant; checks every event against its seal and its number. Finds what was
 * edited, deleted or added behind renewd's back by anyone without the master key. It cannot see that the whole
 * database was put back to an earlier state: that is a history without a fault.
 */
export async function auditHistory({ db }: Database, vault: Vault, signal: AbortSignal): Promise<HistoryAudit> {
  return db
    .transaction()
    .setAccessMode("read only")
    .execute(async (reader) => {
      const head = await readHead(reader);
      const faults: HistoryFault[] = [];
      let [events, unsealed, seen] = [0, 0, 0];
      for await (const row of everyEvent(reader, signal)) {
        events += 1;
        // Before sealing, PostgreSQL left gaps where a transaction was rolled back.
        const wanted = Math.max(seen + 1, head?.firstSealed ?? 1);
        if (head !== null && row.seq > wanted && wanted <= head.last)
          add(faults, { kind: "missing", from: wanted, to: Math.min(row.seq - 1, head.last) });
        if (isOlder(row, head)) unsealed += 1;
        else {
          const kind = faultOf(row, head, vault);
          if (kind !== null) add(faults, { kind, from: row.seq, to: row.seq });
        }
        seen = row.seq;
      }
      if (head !== null && head.last > seen)
        add(faults, { kind: "missing", from: Math.max(seen + 1, head.firstSealed), to: head.last });
      return {
        events,
        unsealed,
        firstSealed: head?.firstSealed ?? null,
        last: head?.last ?? null,
        headProblem: headProblem(head, events, vault),
        faults,
      };
    });
}

async function* everyEvent(reader: Db, signal: AbortSignal): AsyncGenerator<Schema["events"]> {
  for (let after = 0, full = true; full; ) {
    signal.throwIfAborted();
    const rows = await reader
      .selectFrom("events")
      .selectAll()
      .where("seq", ">", after)
      .orderBy("seq")
      .limit(PAGE_ROWS)
      .execute();
    yield* rows;
    after = rows.at(-1)?.seq ?? after;
    full = rows.length === PAGE_ROWS;
  }
}

function isOlder({ seq, seal }: Schema["events"], head: HistoryHead | null): boolean {
  return seal === null && (head === null || seq < head.firstSealed);
}

function faultOf(row: Schema["events"], head: HistoryHead | null, vault: Vault): HistoryFault["kind"] | null {
  const seal = sealOf(vault, row);
  if (head !== null && (row.seq > head.last || row.seq < head.firstSealed)) return "foreign";
  return row.seal === seal ? null : "altered";
}

function headProblem(head: HistoryHead | null, events: number, vault: Vault): HistoryAudit["headProblem"] {
  if (head === null) return events === 0 ? null : "absent";
  return head.seal === headSealOf(vault, head) ? null : "altered";
}

function add(faults: HistoryFault[], fault: HistoryFault): void {
  const previous = faults.at(-1);
  if (previous?.kind === fault.kind && previous.to + 1 === fault.from)
    faults[faults.length - 1] = { ...previous, to: fault.to };
  else faults.push(fault);
}
