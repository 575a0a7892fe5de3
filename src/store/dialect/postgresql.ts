import { type Kysely, type Dialect as KyselyDialect, PostgresAdapter, PostgresIntrospector } from "kysely";
import { DatabaseError, Pool, type PoolClient, TypeOverrides, types } from "pg";
import { RenewalError } from "../../domain/errors.ts";
import type { Secret } from "../../domain/secret.ts";
import {
  type Source,
  type Storable,
  StoreDriver,
  type TransactionKind,
  type TransactionScope,
  type Wire,
} from "./driver.ts";
import { SnakeCasePostgres } from "./names.ts";

const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 30_000;
/** Transactions run only statements: an idle one belongs to a stopped process and blocks its rows for others. */
const IDLE_TRANSACTION_TIMEOUT_MS = 10_000;
const POOL_MAX = 10;

/** SQLSTATE classes that mean a mistake in our statements (PostgreSQL documentation, appendix A). */
const OUR_MISTAKES = ["0A", "22", "23", "42", "P0"];
/** insufficient_privilege: what the administrator gave this user, although it has the class of our mistakes. */
const FORBIDDEN = "42501";
/** too_many_connections, of the server, the database or this user. */
const NO_CONNECTION_LEFT = "53300";
/** serialization_failure and deadlock_detected: the server ended this transaction so that another can go on. */
const CONFLICTS = ["40001", "40P01"];

export function postgresDialect(source: Source, scope: TransactionScope): KyselyDialect {
  return {
    createDriver: () => new StoreDriver(source, scope),
    createQueryCompiler: () => new SnakeCasePostgres(),
    createAdapter: () => new PostgresAdapter(),
    createIntrospector: (db: Kysely<unknown>) => new PostgresIntrospector(db),
  };
}

export function postgresSource(url: Secret, poolMax: number = POOL_MAX, readOnly = false): Source {
  const where = withoutPassword(url);
  const failure = (thrown: unknown): RenewalError => postgresFailure(thrown, where);
  const pool = openPool(url, poolMax, readOnly);
  // An idle connection that breaks is replaced by the pool; unheard, the event would end the process. While lent out,
  // the client itself emits it, and the query under way rejects too.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  let closing: Promise<void> | null = null;
  // The server's timeout does not reach us through a dead network: this one is the client's own.
  let answerTimeoutMs = STATEMENT_TIMEOUT_MS + CONNECT_TIMEOUT_MS;
  return {
    where,
    connect: async () => wireOver(await pool.connect(), answerTimeoutMs),
    answerWithin(timeoutMs) {
      answerTimeoutMs = timeoutMs;
    },
    close: () => {
      closing ??= pool.end();
      return closing;
    },
    failure,
  };
}

function openPool(url: Secret, poolMax: number, readOnly: boolean): Pool {
  const bigintAsNumber = new TypeOverrides();
  // Sequence numbers, fences and ms since epoch all stay far below 2^53.
  bigintAsNumber.setTypeParser(types.builtins.INT8, Number);
  return new Pool({
    connectionString: url.reveal(),
    max: poolMax,
    types: bigintAsNumber,
    keepAlive: true,
    ...(readOnly && { options: "-c default_transaction_read_only=on" }),
    fallback_application_name: "renewd",
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_TRANSACTION_TIMEOUT_MS,
  });
}

const BEGIN: Readonly<Record<TransactionKind, string>> = {
  write: "begin",
  snapshot: "begin isolation level repeatable read read only",
};

function wireOver(client: PoolClient, answerTimeoutMs: number): Wire {
  let broken = false;
  const ask = async (text: string, values: readonly Storable[] = []) => {
    try {
      const query = { text, values: [...values], query_timeout: answerTimeoutMs };
      return await client.query<Record<string, unknown>>(query);
    } catch (thrown) {
      // No answer of the server, or its last one: the connection's state is unknown, so it leaves the pool.
      broken ||= !(thrown instanceof DatabaseError) || thrown.severity === "FATAL";
      throw thrown;
    }
  };
  return {
    async query(sql, parameters) {
      const { rows, command, rowCount } = await ask(sql, parameters);
      return { rows, written: command === "SELECT" ? null : rowCount };
    },
    async begin(kind) {
      await ask(BEGIN[kind]);
    },
    async commit() {
      const { command } = await ask("commit");
      // PostgreSQL answers COMMIT with ROLLBACK when a statement had failed before.
      if (command !== "COMMIT")
        throw new RenewalError("internal.bug", "a transaction went on after a failed statement");
    },
    async rollback() {
      // Over a dead network this would wait as long once more; the server rolls back when the connection closes.
      if (!broken) await ask("rollback");
    },
    release: () => client.release(broken),
  };
}

/** What messages call the database: never the password, nor parameters that may hold one. */
function withoutPassword(url: Secret): string {
  const parsed = URL.parse(url.reveal());
  if (parsed === null || !["postgres:", "postgresql:"].includes(parsed.protocol)) {
    throw new RenewalError(
      "config.invalid",
      "the database URL is not of the form postgresql://user:password@host:port/database",
    );
  }
  const user = parsed.username === "" ? "" : `${decodeURIComponent(parsed.username)}@`;
  const host = parsed.host || parsed.searchParams.get("host") || "localhost";
  return `postgresql://${user}${host}${parsed.pathname}`;
}

function postgresFailure(thrown: unknown, where: string): RenewalError {
  if (thrown instanceof RenewalError) return thrown;
  const message = reasonOf(thrown);
  if (thrown instanceof DatabaseError && thrown.code === FORBIDDEN)
    return new RenewalError("store.forbidden", `database ${where}: ${message}`, { cause: thrown });
  if (thrown instanceof DatabaseError && OUR_MISTAKES.includes((thrown.code ?? "").slice(0, 2))) {
    return new RenewalError("internal.bug", `database ${where}: ${message}`, { cause: thrown });
  }
  if (thrown instanceof DatabaseError && CONFLICTS.includes(thrown.code ?? ""))
    return new RenewalError("store.conflict", `database ${where}: ${message}`, { cause: thrown });
  return new RenewalError("store.unavailable", `database ${where}: ${message}; ${adviceFor(thrown)}`, {
    cause: thrown,
  });
}

function adviceFor(thrown: unknown): string {
  return thrown instanceof DatabaseError && thrown.code === NO_CONNECTION_LEFT
    ? `raise its limit, such as max_connections: each process of renewd opens up to ${POOL_MAX}`
    : "check that PostgreSQL runs there and admits this user";
}

/** A refused connection to a name with several addresses is an AggregateError without a message of its own. */
function reasonOf(thrown: unknown): string {
  if (thrown instanceof AggregateError) return thrown.errors.map(reasonOf).join(", ");
  return thrown instanceof Error ? thrown.message : String(thrown);
}
