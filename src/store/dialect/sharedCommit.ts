import type { Answer, Storable } from "./driver.ts";
import type { Connection } from "./sqliteConnection.ts";

/** One transaction among those that share a commit. */
export interface Member {
  query(sql: string, parameters: readonly Storable[]): Promise<Answer>;
  /** Resolves when the shared commit is on disk; rejects when it is not. */
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

/** A transaction of SQLite, open for as long as the next member follows at once. */
interface Shared {
  readonly onDisk: Promise<void>;
  readonly kept: () => void;
  readonly lost: (reason: unknown) => void;
}

/**
 * A commit waits for the disk, which is most of what a small transaction costs. Transactions that wait for each other
 * share one: each is a savepoint of the same SQLite transaction, and resolves when that is committed. It ends as soon
 * as nobody waits, or when the event loop must have its turn, so that other processes are not kept out for longer.
 */
export class SharedCommit {
  readonly connection: Connection;
  #shared: Shared | null = null;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Takes a turn at the connection, to the end of the member. */
  async join(): Promise<Member> {
    const giveUp = await this.connection.takeTurn();
    try {
      this.#shared ??= await this.#begin();
      await this.connection.run("savepoint member");
    } catch (thrown) {
      this.#loseIfEnded(thrown);
      await this.#handOn(giveUp);
      throw thrown;
    }
    return this.#member(this.#shared, giveUp);
  }

  /** A turn outside of any transaction. */
  async takeTurn(): Promise<() => void> {
    const giveUp = await this.connection.takeTurn();
    await this.#end();
    return giveUp;
  }

  #member(shared: Shared, giveUp: () => void): Member {
    let ended = false;
    const leave = async (...statements: string[]): Promise<void> => {
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
        await leave("release member");
        await shared.onDisk;
      },
      rollback: () => leave("rollback to member", "release member"),
    };
  }

  async #begin(): Promise<Shared> {
    // A transaction that is a writer from its start cannot fail with SQLITE_BUSY_SNAPSHOT later.
    await this.connection.run("begin immediate");
    const { promise: onDisk, resolve: kept, reject: lost } = Promise.withResolvers<void>();
    // Those that joined hear of it; a shared transaction without any has nobody to hear.
    onDisk.catch(() => {});
    return { onDisk, kept, lost };
  }

  async #handOn(giveUp: () => void): Promise<void> {
    try {
      if (!this.connection.goesOn) await this.#end();
    } finally {
      giveUp();
    }
  }

  async #end(): Promise<void> {
    const shared = this.#shared;
    if (shared === null) return;
    try {
      await this.connection.run("commit");
      this.#shared = null;
      shared.kept();
    } catch (thrown) {
      await this.#lose(thrown);
    }
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
