import { z } from "zod";
import { inertLine } from "../domain/text.ts";
import { type AcceptedNumbers, sealOf } from "./historySeal.ts";
import type { Db } from "./schema.ts";
import type { Vault } from "./vault.ts";

/** Events `from` to `to` are not as renewd wrote them. */
export interface HistoryFault {
  readonly kind: "altered" | "missing" | "foreign";
  readonly from: number;
  readonly to: number;
}

/** What a person has found out about and accepted. It stays in the history, and audits go on listing it. */
export interface AcceptedFaults {
  /** ms since epoch. */
  readonly at: number;
  readonly by: string | null;
  readonly reason: string;
  /** Numbers of events, such as `3-7 missing`. */
  readonly events: readonly string[];
  /** Rows, such as `altered versions www 3`. */
  readonly rows: readonly string[];
  /** Noted events that are gone, as `number:seal`. */
  readonly heads: readonly string[];
  /** Of the record which events there must be, which is believed again from then on. */
  readonly headProblem: string | null;
}

/** More than these are no accident. */
export const ACCEPTED_MAX = 1_000;
const EVENTS_MAX = 1_000;

const texts = z.array(z.string()).max(ACCEPTED_MAX);
const detailJson = z.object({
  ...{ by: z.string().nullable(), reason: z.string(), headProblem: z.string().nullable() },
  ...{ events: texts, rows: texts, heads: texts },
});

/** Oldest first. Only what a holder of the master key wrote counts. */
export async function readAccepted(db: Db, vault: Vault): Promise<AcceptedFaults[]> {
  const rows = await db
    .selectFrom("events")
    .selectAll()
    .where("type", "=", "history.accepted")
    .orderBy("seq", "desc")
    .limit(EVENTS_MAX)
    .execute();
  return rows.reverse().flatMap((row) => {
    if (row.seal !== sealOf(vault, row)) return [];
    const read = detailJson.safeParse(JSON.parse(row.detail));
    return read.success ? [{ at: row.at, ...read.data }] : [];
  });
}

export function rangeText({ kind, from, to }: HistoryFault): string {
  return `${from}-${to} ${kind}`;
}

export function rowText({ kind, row }: { readonly kind: string; readonly row: string }): string {
  return inertLine(`${kind} ${row}`);
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** Whether an event may differ from what renewd wrote, or be missing. */
export class AcceptedEvents implements AcceptedNumbers {
  readonly #ranges: readonly Range[];

  constructor(accepted: readonly AcceptedFaults[]) {
    this.#ranges = accepted.flatMap(({ events }) => events.flatMap(rangeOf));
  }

  has(seq: number): boolean {
    return this.#ranges.some(({ from, to }) => seq >= from && seq <= to);
  }

  hasAll(from: number, to: number): boolean {
    return from > to || this.rest({ kind: "missing", from, to }).length === 0;
  }

  /** What of a fault was not accepted. */
  rest(fault: HistoryFault): HistoryFault[] {
    return this.#ranges.reduce<HistoryFault[]>((left, range) => left.flatMap((part) => without(part, range)), [fault]);
  }
}

function rangeOf(text: string): Range[] {
  const [, from, to] = /^(-?\d{1,16})-(-?\d{1,16}) /.exec(text) ?? [];
  return from === undefined || to === undefined ? [] : [{ from: Number(from), to: Number(to) }];
}

function without(fault: HistoryFault, { from, to }: Range): HistoryFault[] {
  if (to < fault.from || from > fault.to) return [fault];
  return [
    ...(from > fault.from ? [{ ...fault, to: from - 1 }] : []),
    ...(to < fault.to ? [{ ...fault, from: to + 1 }] : []),
  ];
}
