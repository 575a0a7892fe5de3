import { stat, writeFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { openContext } from "../../src/compose/index.ts";
import { configure } from "../../src/renewal/plan/configure.ts";
import { configText, createInstallation } from "../support/system/installation.ts";

const LOG = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

it("a certificate that left the configuration: history says which file no longer has it, and since when", async () => {
  await using installation = await createInstallation(configText(["www", "api"]));
  await writeFile(installation.configFile, configText(["www"]));
  const changed = (await stat(installation.configFile)).mtime.toISOString();
  await using app = await openContext(installation.configFile, { log: LOG });
  await configure(app.context, AbortSignal.timeout(5_000));
  const { stdout } = await installation.run("history", "--json");
  expect(JSON.parse(stdout).decisions).toMatchObject([
    {
      type: "certificate.removed",
      certificate: "api",
      why: `no longer in ${installation.configFile}, changed ${changed}`,
    },
  ]);
});
