import { Client } from "pg";
import { expect, test, vi } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { openStore, openVault } from "../../src/store/index.ts";
import { counted, countedEach, LIMITS } from "../support/model/countedStatements.ts";
import { startPostgres } from "../support/servers/postgres.ts";

/** They share one connection, for which nobody may have to wait long on a busy machine. */
const IN_FLIGHT = 2;

/** As on SQLite, and what has to be locked there before it is changed. */
test.each(LIMITS)("a certificate takes on PostgreSQL from due to proved: %s", async (_, renewing, most) => {
  await using postgres = await startPostgres();
  const vault = await openVault({ key: new Secret(Buffer.alloc(32, 7).toString("base64")) });
  const url = await postgres.createMigratedDatabase();
  const store = await openStore({ kind: "postgresql", url, poolMax: 1 }, vault, "model");
  const query = vi.spyOn(Client.prototype, "query");
  const counting = () => {
    query.mockClear();
    return () => counted(query.mock.calls.map(([sent]: readonly unknown[]) => textOf(sent)));
  };
  try {
    const { statements, commits, locks } = await countedEach(renewing, counting, { store, inFlight: IN_FLIGHT });
    expect(locks).toBeLessThanOrEqual(1);
    expect(statements - locks).toBeLessThanOrEqual(most.statements);
    expect(commits).toBeLessThanOrEqual(most.commits);
  } finally {
    vi.restoreAllMocks();
    await store.close();
  }
});

function textOf(sent: unknown): string {
  return typeof sent === "object" && sent !== null && "text" in sent ? String(sent.text) : String(sent);
}
