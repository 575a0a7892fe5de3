/** Where transactions and their savepoints begin and end. */
const BOUNDS = /^(?:begin|savepoint|release|rollback|commit)\b/;

export interface Counted {
  /** Without those that begin and end transactions. */
  readonly statements: number;
  readonly commits: number;
  /** Of the statements, those that only wait for a lock: SQLite needs none. */
  readonly locks: number;
}

/** What a database was sent on one connection after another. */
export function counted(texts: readonly string[]): Counted {
  let inTransaction = false;
  const count = { statements: 0, commits: 0, locks: 0 };
  for (const text of texts) {
    if (text.startsWith("begin")) inTransaction = true;
    else if (!BOUNDS.test(text)) count.statements += 1;
    if (/^select (?:"name" from "certificates" .* for no key update|pg_advisory)/.test(text)) count.locks += 1;
    // A write outside a transaction is a commit of its own.
    if (text === "commit" || (!inTransaction && !text.startsWith("select"))) count.commits += 1;
    if (text === "commit") inTransaction = false;
  }
  return count;
}
