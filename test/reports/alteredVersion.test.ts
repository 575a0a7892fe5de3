import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { certificatesReport } from "../../src/reports/certificates.ts";
import { planReport } from "../../src/reports/plan.ts";
import { statusReport } from "../../src/reports/status.ts";
import { certificate, NOW, version } from "../support/model/facts.ts";
import { configText, createInstallation } from "../support/system/installation.ts";

it("a version whose row was altered reads the same everywhere: neither not issued nor due for the first time", async () => {
  await using installation = await createInstallation(configText([]), { planned: false });
  const { store, directory } = installation;
  const www = certificate();
  await store.certificates.sync([www], NOW);
  await installation.issue(version());
  using database = new DatabaseSync(join(directory, "data", "renewd.db"));
  database.exec("update versions set key_type = 'rsa-2048'");
  const why = "version 1 of www in the database is not as renewd wrote it";
  const [entry] = (await certificatesReport(store, [www], NOW)).certificates;
  expect(entry).toMatchObject({ state: "unreadable", generation: null });
  const [plan] = (await planReport(store, [www], NOW)).certificates;
  expect(plan).toMatchObject({ due: false, reason: null, heldBy: "unknown", detail: `cannot be planned: ${why}` });
  const [trouble] = (await statusReport(store, [www], NOW)).problems;
  expect(trouble?.problems).toEqual([{ kind: "unplannable", what: `cannot be planned, so nothing renews it: ${why}` }]);
});
