import { Client } from "pg";
import { expect, test, vi } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { configure } from "../../src/renewal/plan/configure.ts";
import { planDue } from "../../src/renewal/plan/plan.ts";
import { openStore, openVault } from "../../src/store/index.ts";
import { counted } from "../support/model/countedStatements.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../support/model/workbench.ts";
import { startPostgres } from "../support/servers/postgres.ts";

/** As on SQLite, and what has to be locked there before it is changed. */
test("a certificate takes on PostgreSQL at most 57 statements and 8 commits from due to proved, and one lock", async () => {
  await using postgres = await startPostgres();
  const vault = await openVault({ key: new Secret(Buffer.alloc(32, 7).toString("base64")) });
  const url = await postgres.createMigratedDatabase();
  const store = await openStore({ kind: "postgresql", url, poolMax: 1 }, vault, "model");
  const query = vi.spyOn(Client.prototype, "query");
  try {
    const www = { targets: ["a"], endpoints: [{ host: "a", port: 443, sni: "www.example.org", target: "a" }] };
    await using bench = await Workbench.open([modelCertificate("www", www)], store);
    await configure(bench.context, NO_SIGNAL);
    query.mockClear();
    await planDue(bench.context, NO_SIGNAL);
    await bench.work();
    const texts = query.mock.calls.map(([sent]: readonly unknown[]) =>
      typeof sent === "object" && sent !== null && "text" in sent ? String(sent.text) : String(sent),
    );
    expect((await bench.renewal("www")).state).toBe("succeeded");
    const { statements, commits, locks } = counted(texts);
    expect(locks).toBeLessThanOrEqual(1);
    expect(statements - locks).toBeLessThanOrEqual(57);
    expect(commits).toBeLessThanOrEqual(8);
  } finally {
    vi.restoreAllMocks();
    await store.close();
  }
});
