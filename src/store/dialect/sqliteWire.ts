import type { Answer, Wire } from "./driver.ts";
import type { LogSync } from "./logSync.ts";
import type { Member, SharedCommit } from "./sharedCommit.ts";
import { type Connection, WRITES } from "./sqliteConnection.ts";

const READS = /^\s*select\b/i;
/** One that ends WAL mode leaves no log, and is synced by SQLite. */
const PRAGMA = /^\s*pragma\b/i;

/**
 * What Kysely borrows. Reads have a connection of their own, which sees what is committed: no write waits for them.
 * They answer when what they may have seen of this process is on disk, so nobody is told what a power cut could undo.
 * Without such a connection they take turns with the writes.
 */
export function wireOver(writes: SharedCommit, reads: Connection | null): Wire {
  const reader = reads ?? writes.connection;
  const readTurn = () => (reads ?? writes).takeTurn();
  let open: Member | null = null;
  const within = async (turn: Promise<() => void>, does: () => Promise<Answer>): Promise<Answer> => {
    const giveUp = await turn;
    return does().finally(giveUp);
  };
  return {
    async query(sql, parameters) {
      if (open !== null) return open.query(sql, parameters);
      if (READS.test(sql)) {
        const answer = await within(readTurn(), () => reader.run(sql, parameters));
        await writes.log?.settled();
        return answer;
      }
      if (!WRITES.test(sql)) {
        const answer = await within(wholeTurn(writes, reads), () => writes.connection.run(sql, parameters));
        if (!PRAGMA.test(sql)) await writes.log?.synced();
        return answer;
      }
      const member = await writes.join("statement");
      const answer = await member.query(sql, parameters).catch(async (thrown: unknown) => {
        await member.rollback();
        throw thrown;
      });
      await member.commit();
      return answer;
    },
    async begin(kind) {
      open = kind === "write" ? await writes.join() : await snapshot(reader, await readTurn(), writes.log);
    },
    async commit() {
      await open?.commit();
    },
    async rollback() {
      await open?.rollback();
    },
    release() {
      open = null;
    },
  };
}

/** No transaction may hold a pragma, and one that changes the journal needs the file alone. */
export async function wholeTurn(writes: SharedCommit, reads: Connection | null): Promise<() => void> {
  const giveUps = [await reads?.takeTurn(), await writes.takeTurnWithoutLog()];
  reads?.close();
  return () => {
    for (const giveUp of giveUps) giveUp?.();
  };
}

/**
 * Reading in WAL mode keeps the state of its first statement while others write (sqlite.org/isolation.html). It ends
 * when what it may have seen, also of other processes, is on disk: an audit's mark is noted elsewhere.
 */
async function snapshot(reader: Connection, giveUp: () => void, log: LogSync | null): Promise<Member> {
  let ended = false;
  const end = async (sql: string, wait?: () => Promise<void>): Promise<void> => {
    if (ended) return;
    ended = true;
    try {
      await reader.run(sql);
      await wait?.();
    } finally {
      giveUp();
    }
  };
  try {
    await reader.run("begin deferred");
  } catch (thrown) {
    giveUp();
    throw thrown;
  }
  return {
    query: (sql, parameters) => reader.run(sql, parameters),
    // Where the sync fails the next to write makes it good.
    commit: () => end("commit", async () => log?.synced().catch(() => {})),
    rollback: () => end("rollback"),
  };
}
