import type { Db, Dialect } from "../schema.ts";

/** A statement takes 65,535 parameters. */
const NAMES_MAX = 1_000;

/** The first step of the lock order: see `Store`. An SQLite transaction is the only writer from its start. */
export async function lockCertificates(db: Db, dialect: Dialect, names: readonly string[]): Promise<void> {
  if (dialect === "sqlite") return;
  const inOrder = [...new Set(names)].sort();
  for (let from = 0; from < inOrder.length; from += NAMES_MAX) {
    await db
      .selectFrom("certificates")
      .select("name")
      .where("name", "in", inOrder.slice(from, from + NAMES_MAX))
      .orderBy("name")
      // Rows that refer to a certificate may still be inserted.
      .forNoKeyUpdate()
      .execute();
  }
}
