import type { Answer, Wire } from "./driver.ts";
import type { Member, SharedCommit } from "./sharedCommit.ts";
import { type Connection, WRITES } from "./sqliteConnection.ts";

const READS = /^\s*select\b/i;

/**
 * What Kysely borrows. Reads have a connection of their own, which sees what is committed: neither does a write wait
 * for them, nor do they see what is not durable yet. Without one they take turns with the writes.
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
      if (READS.test(sql)) return within(readTurn(), () => reader.run(sql, parameters));
      if (!WRITES.test(sql)) return within(wholeTurn(writes, reads), () => writes.connection.run(sql, parameters));
      const member = await writes.join("statement");
      const answer = await member.query(sql, parameters).catch(async (thrown: unknown) => {
        await member.rollback();
        throw thrown;
      });
      await member.commit();
      return answer;
    },
    async begin(kind) {
      open = kind === "write" ? await writes.join() : await snapshot(reader, await readTurn());
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
  const giveUps = [await reads?.takeTurn(), await writes.takeTurn()];
  reads?.close();
  return () => {
    for (const giveUp of giveUps) giveUp?.();
  };
}

/** Reading in WAL mode keeps the state of its first statement while others write (sqlite.org/isolation.html). */
async function snapshot(reader: Connection, giveUp: () => void): Promise<Member> {
  let ended = false;
  const end = async (sql: string): Promise<void> => {
    if (ended) return;
    ended = true;
    await reader.run(sql).finally(giveUp);
  };
  try {
    await reader.run("begin deferred");
  } catch (thrown) {
    giveUp();
    throw thrown;
  }
  return {
    query: (sql, parameters) => reader.run(sql, parameters),
    commit: () => end("commit"),
    rollback: () => end("rollback"),
  };
}
