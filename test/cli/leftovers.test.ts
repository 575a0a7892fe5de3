// A target that leaves the configuration keeps its private key until a person asks for its removal.
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { silentLog } from "../../src/cli/silentLog.ts";
import { openContext, withoutQueue } from "../../src/compose/index.ts";
import { files } from "../../src/deployers/files/files.ts";
import { configure } from "../../src/renewal/plan/configure.ts";
import { createPairIssuer } from "../support/pairs/issuedPairs.ts";
import { dependencies } from "../support/pairs/targetSecrets.ts";
import { configText, createInstallation, type Installation } from "../support/system/installation.ts";

const NEVER = new AbortController().signal;

async function applyConfiguration({ configFile }: Installation): Promise<void> {
  await using app = await openContext(configFile, { log: silentLog });
  await configure({ ...withoutQueue(app.context), clockGuard: { check: async () => {} } }, NEVER);
}

/** A pair that the target put into real files, as the database remembers it. */
async function deployed(installation: Installation, target: string, layout: Record<string, string>): Promise<string> {
  const directory = join(installation.directory, target);
  await mkdir(directory, { recursive: true });
  const pair = await (await createPairIssuer()).issue({ certificate: "www", generation: 1 });
  const deployer = files.create(files.options.parse({ directory, ...layout }), dependencies(target));
  const receipt = await deployer.deploy({ pair, previous: null }, NEVER);
  const { deployments } = installation.store;
  await deployments.want("www", ["old", "lb"], 1);
  await deployments.update("www", target, 0, { deployedGeneration: 1, receipt });
  return directory;
}

it("says where a target that left keeps its key, and removes it only when asked", async () => {
  await using installation = await createInstallation(configText(["www"]));
  const directory = await deployed(installation, "old", { privkey: "k.pem", fullchain: "f.pem" });
  await writeFile(join(directory, "other.pem"), "-----BEGIN PRIVATE KEY-----");
  await applyConfiguration(installation);
  await applyConfiguration(installation);
  const key = join(directory, "k.pem");
  const events = await installation.store.events.list({ types: ["target.left"], limit: 9 });
  expect(events.map(({ target, detail }) => [target, detail.places])).toEqual([["old", [key]]]);
  expect((await installation.run("status")).stdout).toContain("leftovers --remove`");
  expect((await installation.run("leftovers")).stdout).toContain(key);
  expect(await readFile(key, "utf8")).toContain("PRIVATE KEY");

  const { stdout, code } = await installation.run("leftovers", "--remove", "--json");
  expect([code, JSON.parse(stdout).leftovers]).toMatchObject([0, [{ target: "old", removed: [key] }]]);
  expect((await readdir(directory)).sort()).toEqual([".renewd.lock", "f.pem", "other.pem"]);
  await applyConfiguration(installation);
  expect((await installation.run("leftovers")).stdout).toContain("nothing is left");
});

it("counts no target as left whose file another one writes now, or that came back", async () => {
  await using installation = await createInstallation(configText(["www"]));
  const directory = await deployed(installation, "old", { bundle: "www.pem" });
  await applyConfiguration(installation);
  const config = JSON.parse(configText(["www"]));
  config.targets.lb = { type: "files", directory, bundle: "www.pem" };
  await writeFile(installation.configFile, JSON.stringify(config));
  // Even before the planner has read the configuration of now.
  const { stdout } = await installation.run("leftovers", "--remove", "--json");
  expect(JSON.parse(stdout).leftovers).toMatchObject([{ removed: [] }]);
  expect(await readFile(join(directory, "www.pem"), "utf8")).toContain("PRIVATE KEY");
  await applyConfiguration(installation);
  expect(await installation.store.leftTargets.list()).toEqual([]);
});

it("removes nothing by a row that renewd did not write, and lists no more what a person took care of", async () => {
  await using installation = await createInstallation(configText(["www"]));
  await deployed(installation, "old", { bundle: "www.pem" });
  await applyConfiguration(installation);
  expect(await installation.store.leftTargets.list()).toHaveLength(1);
  {
    using database = new DatabaseSync(join(installation.directory, "data", "renewd.db"));
    database.exec(`update left_targets set receipt = '{"file":"/etc/passwd"}'`);
  }
  const planted = await installation.run("leftovers", "--remove", "--json");
  expect(JSON.parse(planted.stdout).leftovers).toEqual([]);
  await applyConfiguration(installation);
  await installation.run("leftovers", "--forget");
  await applyConfiguration(installation);
  expect(await installation.store.leftTargets.list()).toEqual([]);
});
