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

it("a certificate that left the database: history says who removed it", async () => {
  await using installation = await createInstallation(configText(["www"]));
  await installation.run("certificates", "add", "shop", "shop.example.org", "--set", "endpoints=[192.0.2.1]");
  const planned = async (): Promise<void> => {
    await using app = await openContext(installation.configFile, { log: LOG });
    await configure(app.context, AbortSignal.timeout(5_000));
  };
  await planned();
  await installation.run("certificates", "remove", "shop");
  await planned();
  const [event] = await installation.store.events.list({ types: ["certificate.removed"], limit: 1 });
  expect(event?.certificate).toBe("shop");
  expect(event?.detail.why).toMatch(/^removed from the database by \S+@\S+, \d{4}-/);
});
