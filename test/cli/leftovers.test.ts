// A target that leaves the configuration keeps its private key until a person asks for its removal.
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { silentLog } from "../../src/cli/silentLog.ts";
import { openContext, withoutQueue } from "../../src/compose/index.ts";
import { certbot } from "../../src/deployers/files/certbot.ts";
import { files } from "../../src/deployers/files/files.ts";
import type { DeployReceipt } from "../../src/domain/deployment.ts";
import { configure } from "../../src/renewal/plan/configure.ts";
import { DAY_MS, endpointStatus, version } from "../support/model/facts.ts";
import { createPairIssuer } from "../support/pairs/issuedPairs.ts";
import { dependencies } from "../support/pairs/targetSecrets.ts";
import { ENDPOINT } from "../support/system/estate.ts";
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
  await remember(installation, target, receipt);
  return directory;
}

async function remember(
  { store: { deployments } }: Installation,
  target: string,
  receipt: DeployReceipt,
): Promise<void> {
  await deployments.want("www", ["old", "lb"], 1);
  await deployments.update("www", target, 0, { deployedGeneration: 1, receipt });
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

it("names every file with the key, and removes them all", async () => {
  await using installation = await createInstallation(configText(["www"]));
  const directory = await deployed(installation, "old", { privkey: "k.pem", fullchain: "f.pem", bundle: "b.pem" });
  await applyConfiguration(installation);
  const places = [join(directory, "k.pem"), join(directory, "b.pem")];
  const listed = JSON.parse((await installation.run("leftovers", "--json")).stdout);
  expect(listed.leftovers).toMatchObject([{ places }]);
  const { stdout } = await installation.run("leftovers", "--remove", "--json");
  expect(JSON.parse(stdout).leftovers).toMatchObject([{ removed: places }]);
  expect((await readdir(directory)).sort()).toEqual([".renewd.lock", "f.pem"]);
});

it("removes the earlier keys of certbot's layout too, but nothing of a lineage that another target has now", async () => {
  await using installation = await createInstallation(configText(["www"]));
  const directory = join(installation.directory, "letsencrypt");
  await mkdir(directory);
  const deployer = certbot.create(certbot.options.parse({ directory }), dependencies("old"));
  const issuer = await createPairIssuer();
  for (const generation of [1, 2]) {
    const pair = await issuer.issue({ certificate: "www", generation });
    await remember(installation, "old", await deployer.deploy({ pair, previous: null }, NEVER));
  }
  const config = JSON.parse(configText(["www"]));
  const configured = async (lb: object): Promise<void> =>
    writeFile(installation.configFile, JSON.stringify({ ...config, targets: { ...config.targets, lb } }));
  await applyConfiguration(installation);
  expect(await installation.store.leftTargets.list()).toHaveLength(1);

  await configured({ type: "certbot", directory });
  const kept = await installation.run("leftovers", "--remove", "--json");
  expect(kept.code, kept.stdout).toBe(0);
  expect(JSON.parse(kept.stdout).leftovers).toMatchObject([{ removed: [] }]);
  expect(await readdir(join(directory, "archive", "www"))).toContain("privkey1.pem");

  await configured(config.targets.lb);
  const { stdout } = await installation.run("leftovers", "--remove", "--json");
  const [live, archive] = [join(directory, "live", "www"), join(directory, "archive", "www")];
  expect(JSON.parse(stdout).leftovers[0].places).toEqual([join(live, "privkey.pem"), archive]);
  const left = [...(await readdir(live)), ...(await readdir(archive))];
  expect(left.filter((name) => name.includes("privkey"))).toEqual([]);
});

it("goes on with a target whose earlier files are removed", async () => {
  await using installation = await createInstallation(configText(["www"]));
  const directory = await deployed(installation, "lb", { bundle: "before.pem" });
  const { leftTargets, deployments } = installation.store;
  const left = { certificate: "www", target: "lb", receipt: { file: join(directory, "before.pem") }, leftAt: 1 };
  await leftTargets.add(left);
  await applyConfiguration(installation);
  const { stdout } = await installation.run("leftovers", "--remove", "--json");
  expect(JSON.parse(stdout).leftovers).toMatchObject([{ removed: [left.receipt.file] }]);
  expect(await leftTargets.list()).toEqual([]);
  expect(await deployments.list("www")).toContainEqual(
    expect.objectContaining({ target: "lb", deployedGeneration: 1 }),
  );
});

it("keeps a key that an endpoint may still be served from, unless a person says so", async () => {
  await using installation = await createInstallation(configText(["www"]));
  const directory = await deployed(installation, "old", { privkey: "k.pem", fullchain: "f.pem" });
  await applyConfiguration(installation);
  const key = join(directory, "k.pem");
  const at = { endpoint: ENDPOINT, address: "192.0.2.1", port: 443, sni: "www.example.org", durationMs: 1 };
  const { leaf } = version();
  const serve = (notBefore: number) => {
    const served = { ...leaf, subjectAltNames: [], issuer: "CA", chain: [], notBefore, notAfter: Date.now() + DAY_MS };
    const seen = { ...at, at: Date.now(), served, problem: null };
    return installation.store.observations.record(endpointStatus({ certificate: "www", endpoint: ENDPOINT }), [seen]);
  };
  await serve(Date.now() - DAY_MS);
  const kept = await installation.run("leftovers", "--remove", "--json");
  expect(kept.code, kept.stdout).toBe(0);
  expect(JSON.parse(kept.stdout).leftovers).toMatchObject([{ servedAt: ["192.0.2.1:443"], removed: null }]);
  expect(await readFile(key, "utf8")).toContain("PRIVATE KEY");
  expect((await installation.run("leftovers")).stdout).toMatch(/stays:\s+192\.0\.2\.1:443/);
  // Issued after the target left: that server reads another file.
  await serve(Date.now() + 1_000);
  const { stdout } = await installation.run("leftovers", "--remove", "--json");
  expect(JSON.parse(stdout).leftovers).toMatchObject([{ removed: [key] }]);
});
