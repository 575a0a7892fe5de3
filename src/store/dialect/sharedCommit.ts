import { setImmediate as eventLoop } from "node:timers/promises";
import { RenewalError } from "../../domain/errors.ts";
import type { Answer, Storable } from "./driver.ts";
import type { LogSync } from "./logSync.ts";
import type { Connection } from "./sqliteConnection.ts";

/** One transaction among those that share a commit. */
export interface Member {
  query(sql: string, parameters: readonly Storable[]): Promise<Answer>;
  /** Resolves when the shared commit is on disk; rejects when it is not. */
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

/** A transaction of SQLite, open for a turn of the event loop. */
interface Shared {
  readonly onDisk: Promise<void>;
  readonly kept: () => void;
  readonly lost: (reason: unknown) => void;
}

/**
 * Transactions share a commit: each is a savepoint of the same SQLite transaction, and resolves when that is on disk. So
 * pages that several of them change are written once. The event loop has a turn before, so that those join whose answers
 * from elsewhere have arrived. Other processes are kept out no longer: it ends at once where the event loop has waited
 * for its turn already.
 */
export class SharedCommit {
  readonly connection: Connection;
  /** Null: what is written ends with the connection. */
  readonly log: LogSync | null;
  #shared: Shared | null = null;
  #endsSoon = false;
  /** What earlier processes left in the log was brought to the database. */
  #hasTakenOver = false;

  constructor(connection: Connection, log: LogSync | null) {
    this.connection = connection;
    this.log = log;
  }

  /**
   * Takes a turn at the connection, to the end of the member. `statement`: a single one, which SQLite undoes by itself
   * where it fails (sqlite.org/lang_conflict.html, ABORT).
   */
  async join(kind: "transaction" | "statement" = "transaction"): Promise<Member> {
    const giveUp = await this.connection.takeTurn();
    try {
      this.#shared ??= await this.#begin();
      if (kind === "transaction") await this.connection.run("savepoint member");
    } catch (thrown) {
      this.#loseIfEnded(thrown);
      await this.#handOn(giveUp);
      throw thrown;
    }
    return this.#member(this.#shared, kind, giveUp);
  }

  /** A turn outside of any transaction. */
  async takeTurn(): Promise<() => void> {
    const giveUp = await this.connection.takeTurn();
    await this.#end();
    return giveUp;
  }

  /** As `takeTurn`, for what may remove the log: the connection's end, a change of the journal. */
  async takeTurnWithoutLog(): Promise<() => void> {
    const giveUp = await this.takeTurn();
    await this.log?.close();
    return giveUp;
  }

  #member(shared: Shared, kind: "transaction" | "statement", giveUp: () => void): Member {
    const [kept, undone] =
      kind === "statement" ? [[], []] : [["release member"], ["rollback to member", "release member"]];
    let ended = false;
    const leave = async (statements: readonly string[]): Promise<void> => {
      if (ended) return;
      ended = true;
      try {
        if (this.#shared === shared) for (const sql of statements) await this.connection.run(sql);
      } catch (thrown) {
        // Its savepoint is still there: what it wrote must not be kept with what the others wrote.
        await this.#lose(thrown);
      } finally {
        await this.#handOn(giveUp);
      }
    };
    return {
      query: async (sql, parameters) => {
        // SQLite has rolled back: outside of a transaction the next statement would be kept alone.
        if (this.#shared !== shared) await shared.onDisk;
        try {
          return await this.connection.run(sql, parameters);
        } catch (thrown) {
          this.#loseIfEnded(thrown);
          throw thrown;
        }
      },
      commit: async () => {
        await leave(kept);
        await shared.onDisk;
      },
      rollback: async () => {
        await leave(undone);
        // Until then the file is kept from other writers, and the next to go on may be one.
        await shared.onDisk.catch(() => {});
      },
    };
  }

  async #begin(): Promise<Shared> {
    if (this.log?.hasFailed) await this.#makeGood(this.log);
    else if (this.log !== null && !this.#hasTakenOver) await this.#takeOver();
    // A transaction that is a writer from its start cannot fail with SQLITE_BUSY_SNAPSHOT later.
    await this.connection.run("begin immediate");
    const { promise: onDisk, resolve: kept, reject: lost } = Promise.withResolvers<void>();
    // Those that joined hear of it; a shared transaction without any has nobody to hear.
    onDisk.catch(() => {});
    return { onDisk, kept, lost };
  }

  async #handOn(giveUp: () => void): Promise<void> {
    try {
      if (this.connection.isLate) await this.#end();
      else if (this.#shared !== null && !this.#endsSoon) void this.#endSoon();
    } finally {
      giveUp();
    }
  }

  async #endSoon(): Promise<void> {
    this.#endsSoon = true;
    await eventLoop();
    const giveUp = await this.connection.takeTurn();
    this.#endsSoon = false;
    // Where this fails its members have heard of it, and so does the next one.
    await this.#end().catch(() => {});
    giveUp();
  }

  async #end(): Promise<void> {
    const shared = this.#shared;
    if (shared === null) return;
    try {
      await this.connection.run("commit");
      this.#shared = null;
      void Promise.resolve(this.log?.synced()).then(shared.kept, shared.lost);
    } catch (thrown) {
      await this.#lose(thrown);
    }
  }

  /**
   * A process that could not sync the log may have left it so; what it holds must be on disk before more is appended.
   * Not when the database is opened: who only reads neither waits for the disk nor needs room on it.
   */
  async #takeOver(): Promise<void> {
    await this.connection.run("pragma wal_checkpoint(passive)");
    this.#hasTakenOver = true;
  }

  /** A checkpoint writes all that the log holds to the database, syncs that, and lets the log begin again. */
  async #makeGood(log: LogSync): Promise<void> {
    const [outcome] = (await this.connection.run("pragma wal_checkpoint(truncate)")).rows;
    if (outcome?.busy !== 0)
      throw new RenewalError(
        "store.unavailable",
        "the database's log could not be synced to disk; others still read it",
      );
    log.beginsAgain();
  }

  async #lose(reason: unknown): Promise<void> {
    this.#shared?.lost(reason);
    this.#shared = null;
    if (this.connection.isInTransaction) await this.connection.run("rollback");
  }

  /** A full disk or a failed write makes SQLite roll back all of it (sqlite.org/lang_transaction.html, §3.1). */
  #loseIfEnded(reason: unknown): void {
    if (this.connection.isInTransaction) return;
    this.#shared?.lost(reason);
    this.#shared = null;
  }
}
