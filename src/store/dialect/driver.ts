import type { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as delay } from "node:timers/promises";
import type { CompiledQuery, DatabaseConnection, Driver, QueryResult, TransactionSettings } from "kysely";
import { RenewalError } from "../../domain/errors.ts";

export type Storable = string | number | boolean | null;

export interface Answer {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** Rows written; null for a statement that only reads. */
  readonly written: number | null;
}

export type TransactionKind = "write" | "snapshot";

/** One database connection, lent to one query or one transaction at a time. */
export interface Wire {
  query(sql: string, parameters: readonly Storable[]): Promise<Answer>;
  /** `snapshot`: it sees one instant of the whole database and keeps nobody from writing. */
  begin(kind: TransactionKind): Promise<void>;
  /** Resolves when what was written would outlive the machine's sudden end. */
  commit(): Promise<void>;
  rollback(): Promise<void>;
  release(): void;
}

/** What differs between the dialects: how connections come about and how their failures read. */
export interface Source {
  /** What people call this database; never with a password. */
  readonly where: string;
  connect(): Promise<Wire>;
  /** From now on a statement that takes longer is given up, and its connection with it. */
  answerWithin?(timeoutMs: number): void;
  close(): Promise<void>;
  /** Translates what the database threw; `store.conflict` where the same transaction, run again, may succeed. */
  failure(thrown: unknown): RenewalError;
}

const CONFLICT_ATTEMPTS_MAX = 6;
const CONFLICT_PAUSE_MS = 20;

/**
 * Runs a whole transaction again when the database ended it in favour of another (deadlock, serialization): nothing of
 * it was written. A part of a transaction cannot be repeated, because the database has undone what came before it.
 */
export async function repeatedOnConflict<T>(transaction: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await transaction();
    } catch (thrown) {
      if (!(thrown instanceof RenewalError && thrown.code === "store.conflict")) throw thrown;
      if (attempt === CONFLICT_ATTEMPTS_MAX)
        throw new RenewalError("store.conflict", `${thrown.message}; ended ${attempt} times`, { cause: thrown });
    }
    // Random, so that two that end each other do not meet again.
    await delay(Math.random() * CONFLICT_PAUSE_MS * 2 ** attempt);
  }
}

/** Open while a transaction's work runs; seen by everything that work calls. */
export type TransactionScope = AsyncLocalStorage<{ open: boolean }>;

/** The edge to both databases: parameters are checked on the way in, failures translated on the way out. */
export class StoreDriver implements Driver {
  readonly #source: Source;
  readonly #scope: TransactionScope;

  constructor(source: Source, scope: TransactionScope) {
    this.#source = source;
    this.#scope = scope;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<WireConnection> {
    // On SQLite this would wait for itself and never end; on PostgreSQL it would silently be outside the transaction.
    if (this.#scope.getStore()?.open) {
      throw new RenewalError(
        "internal.bug",
        "the store was used inside its own transaction; use the store handed to the transaction's work",
      );
    }
    try {
      return new WireConnection(await this.#source.connect(), this.#source);
    } catch (thrown) {
      throw this.#source.failure(thrown);
    }
  }

  async beginTransaction(connection: DatabaseConnection, { accessMode }: TransactionSettings): Promise<void> {
    const wire = wireOf(connection);
    await wire.step((lent) => lent.begin(accessMode === "read only" ? "snapshot" : "write"));
    wire.inTransaction = true;
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await wireOf(connection).step((lent) => lent.commit());
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await wireOf(connection).step((lent) => lent.rollback());
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    wireOf(connection).release();
  }

  destroy(): Promise<void> {
    return this.#source.close();
  }
}

class WireConnection implements DatabaseConnection {
  readonly #wire: Wire;
  readonly #source: Source;
  /** Until the connection is given back. */
  inTransaction = false;

  constructor(wire: Wire, source: Source) {
    this.#wire = wire;
    this.#source = source;
  }

  async step<T>(does: (wire: Wire) => Promise<T>): Promise<T> {
    try {
      return await does(this.#wire);
    } catch (thrown) {
      throw thrown instanceof RenewalError ? thrown : this.#source.failure(thrown);
    }
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const parameters = query.parameters.map(toStorable);
    const run = (): Promise<Answer> => this.step((wire) => wire.query(query.sql, parameters));
    const { rows, written } = await (this.inTransaction ? run() : repeatedOnConflict(run));
    // Boundary: Kysely derives R from `schema.ts`; migrations and their tests make the tables match it.
    const typed = rows as R[];
    return written === null ? { rows: typed } : { rows: typed, numAffectedRows: BigInt(written) };
  }

  // biome-ignore lint/correctness/useYield: the interface wants a generator; nothing here streams.
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new RenewalError("internal.bug", "the store does not stream queries");
  }

  release(): void {
    this.#wire.release();
  }
}

function wireOf(connection: DatabaseConnection): WireConnection {
  if (connection instanceof WireConnection) return connection;
  throw new RenewalError("internal.bug", "a connection of another driver was handed to the store");
}

/**
 * Makes both dialects store the same. Jittered instants may be fractions: SQLite would keep them, PostgreSQL would
 * refuse them; rounding up never acts early. PostgreSQL text holds no NUL, which a hostile peer's message may contain.
 */
export function toStorable(value: unknown): Storable {
  // Booleans come from Kysely's own queries of the schema; our columns hold 0 and 1.
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string") return value.replaceAll("\0", "\uFFFD");
  if (typeof value === "number" && Number.isFinite(value)) return Math.ceil(value);
  throw new RenewalError("internal.bug", `a ${typeof value} cannot be stored`);
}
