import type { DatabaseSync, StatementSync } from "node:sqlite";
import { setTimeout as delay, setImmediate as eventLoop } from "node:timers/promises";
import type { Answer, Storable } from "./driver.ts";
import { type KeptPlans, keptPlans, type Prepared } from "./keptPlans.ts";

/**
 * How long a statement waits for another process's write. The wait is ours, not SQLite's own busy handler: that one
 * blocks the thread, which stops timers and handshakes, and two stores of one process would block each other.
 */
export const BUSY_TIMEOUT_MS = 5_000;
const BUSY_POLL_MAX_MS = 10;
export const SQLITE_BUSY = 5;

/** Short beside the time limits of handshakes and leases, long beside a statement. */
const YIELD_AFTER_MS = 5;

export const WRITES = /^\s*(?:insert|update|delete)\b/i;

/** SQLite answers at once, so a long loop over the store would never let a timer or socket have its turn. */
export class LoopTurn {
  #yieldedAt = performance.now();

  isDue(): boolean {
    return performance.now() - this.#yieldedAt >= YIELD_AFTER_MS;
  }

  async yieldIfDue(): Promise<void> {
    if (!this.isDue()) return;
    await eventLoop();
    this.#yieldedAt = performance.now();
  }
}

/** One connection, used in turns: a transaction keeps its turn to its end. It is opened when it is first used. */
export class Connection {
  readonly #open: () => DatabaseSync;
  readonly #onSchemaChange: () => void;
  readonly #loopTurn: LoopTurn;
  #opened: { readonly database: DatabaseSync; readonly plans: KeptPlans } | null = null;
  #last: Promise<void> = Promise.resolve();

  constructor(open: () => DatabaseSync, loopTurn: LoopTurn, onSchemaChange: () => void = () => {}) {
    this.#open = open;
    this.#loopTurn = loopTurn;
    this.#onSchemaChange = onSchemaChange;
  }

  get isInTransaction(): boolean {
    return this.#opened?.database.isTransaction === true;
  }

  /** The event loop must have its turn. */
  get isLate(): boolean {
    return this.#loopTurn.isDue();
  }

  async takeTurn(): Promise<() => void> {
    const before = this.#last;
    const { promise, resolve: giveUp } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    await this.#loopTurn.yieldIfDue();
    return giveUp;
  }

  /** The next use opens it again. */
  close(): void {
    if (this.#opened?.database.isOpen) this.#opened.database.close();
    this.#opened = null;
  }

  forgetPlans(): void {
    this.#opened?.plans.forget();
  }

  #plan(sql: string): Prepared {
    if (this.#opened === null) {
      const database = this.#open();
      this.#opened = { database, plans: keptPlans(database, this.#onSchemaChange) };
    }
    return this.#opened.plans.plan(sql);
  }

  run(sql: string, parameters: readonly Storable[] = []): Promise<Answer> {
    return whileBusy(() => {
      const values = parameters.map((value) => (typeof value === "boolean" ? Number(value) : value));
      const { statement, answersRows } = this.#plan(sql);
      if (answersRows) return { rows: allRows(statement, sql, values), written: null };
      return { rows: [], written: Number(statement.run(...values).changes) };
    });
  }
}

type Row = Readonly<Record<string, unknown>>;

/**
 * A number beyond what JavaScript counts exactly, which only somebody else can have written, makes node:sqlite refuse
 * the whole answer: one row would hide every other. Such a number is read as the largest one.
 */
function allRows(statement: StatementSync, sql: string, values: readonly (string | number | null)[]): readonly Row[] {
  // A statement that writes must not run twice.
  if (WRITES.test(sql)) return allBounded(statement, values);
  try {
    return read(statement, values);
  } catch (thrown) {
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "ERR_OUT_OF_RANGE")) throw thrown;
    return allBounded(statement, values);
  }
}

/**
 * Row by row: `all` holds every row until the last, and each collection of garbage meanwhile visits them, which grows
 * with the square.
 */
function read(statement: StatementSync, values: readonly (string | number | null)[]): readonly Row[] {
  const rows = statement.iterate(...values);
  try {
    return [...rows];
  } catch (thrown) {
    // Otherwise the next use of the statement would throw this again.
    rows.return?.();
    throw thrown;
  }
}

function allBounded(statement: StatementSync, values: readonly (string | number | null)[]): readonly Row[] {
  statement.setReadBigInts(true);
  try {
    const exact = (row: Row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, exactly(value)]));
    return read(statement, values).map(exact);
  } finally {
    statement.setReadBigInts(false);
  }
}

function exactly(value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Number(value)));
}

export async function whileBusy<T>(step: () => T): Promise<T> {
  const deadline = performance.now() + BUSY_TIMEOUT_MS;
  for (;;) {
    try {
      return step();
    } catch (thrown) {
      if (primaryCode(thrown) !== SQLITE_BUSY || performance.now() >= deadline) throw thrown;
    }
    // Random, so that of several that wait none is always the later one.
    await delay(Math.random() * BUSY_POLL_MAX_MS);
  }
}

/** The low byte of node:sqlite's `errcode`; null when SQLite did not throw this. */
export function primaryCode(thrown: unknown): number | null {
  return thrown instanceof Error && "errcode" in thrown && typeof thrown.errcode === "number"
    ? thrown.errcode & 0xff
    : null;
}
