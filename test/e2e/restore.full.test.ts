import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { openReader } from "../../src/compose/index.ts";
import { startHaproxy } from "../support/servers/haproxy.ts";
import { servedFingerprint, storedFingerprint } from "../support/servers/served.ts";
import { renewd } from "../support/system/renewd.ts";
import { startSystem } from "../support/system/system.ts";
import { until } from "../support/until.ts";

const NAME = "site.example.org";
const WATCH_EVERY_MS = 20;

/** Everything that is served and stored from now on, in the order it was first seen. */
function watch(look: () => Promise<(string | null)[]>): {
  readonly seen: ReadonlySet<string | null>;
  stop(): Promise<void>;
} {
  const seen = new Set<string | null>();
  let watching = true;
  const done = (async () => {
    while (watching) {
      for (const fingerprint of await look()) seen.add(fingerprint);
      // Leaves the processors to those that are watched.
      await delay(WATCH_EVERY_MS);
    }
  })();
  return {
    seen,
    stop() {
      watching = false;
      return done;
    },
  };
}

/**
 * Deployers refuse to go back by the records they leave at their targets; without those only looking first can help.
 */
async function removeRecords(directory: string): Promise<number> {
  const records = (await readdir(directory)).filter((name) => name.endsWith(".renewd.json"));
  await Promise.all(records.map((name) => rm(join(directory, name))));
  return records.length;
}

it("yesterday's database, restored, never puts its older certificate over the newer live one, and renews on everywhere", {
  timeout: 240_000,
}, async () => {
  await using cleanUp = new AsyncDisposableStack();
  const files = await mkdtemp(join(tmpdir(), "renewd-restore-"));
  cleanUp.defer(() => rm(files, { recursive: true, force: true }));
  for (const directory of ["copy", "late"]) await mkdir(join(files, directory));
  const haproxy = cleanUp.use(await startHaproxy());
  const copy = (directory: string): object => ({
    type: "files",
    directory: join(files, directory),
    bundle: "{certificate}.pem",
  });
  const targets = {
    lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` },
    copy: copy("copy"),
    late: copy("late"),
  };
  const site = {
    names: [NAME],
    targets: ["lb", "copy"],
    endpoints: [{ host: "127.0.0.1", port: haproxy.port, sni: NAME }],
  };
  const system = cleanUp.use(await startSystem({ targets, certificates: { site } }));
  const command = (...args: string[]) => renewd(["-c", system.configFile, ...args]);
  const forced = async (): Promise<void> => {
    const { code, stderr } = await command("renew", "site", "--force", "--wait");
    expect({ code, stderr }).toMatchObject({ code: 0 });
  };

  await system.workers();
  await system.ended("site", 120_000);
  await forced();
  const backup = join(files, "yesterday.renewd");
  expect(await command("backup", backup)).toMatchObject({ code: 0 });
  await forced();
  const versions = await system.store.versions.list("site");
  expect(versions.map(({ generation }) => generation)).toEqual([1, 2, 3]);
  const [, second = "", third = ""] = versions.map(({ leaf }) => leaf.fingerprint);
  expect(await servedFingerprint(haproxy.port, NAME)).toBe(third);
  await Promise.all(system.running().map((worker) => worker.stop()));

  expect((await removeRecords(haproxy.directory)) + (await removeRecords(join(files, "copy")))).toBe(2);
  // A target added meanwhile makes the old database want its certificate deployed everywhere once more.
  const sections = { dataDir: join(system.home, "restored"), masterKey: { file: join(system.dataDir, "master.key") } };
  await system.configure({ sections, certificates: { site: { ...site, targets: ["lb", "copy", "late"] } } });
  const restored = await command("restore", backup);
  expect(restored).toMatchObject({ code: 0, stdout: expect.stringContaining("2 versions") });
  expect(await command("plan", "site")).toMatchObject({
    stdout: expect.stringMatching(/site +restored .*until one of its endpoints has shown what is live/),
  });

  const bundles = ["copy", "late"].map((directory) => join(files, directory, "site.pem"));
  const watching = watch(() =>
    Promise.all([servedFingerprint(haproxy.port, NAME), ...bundles.map((bundle) => storedFingerprint(bundle))]),
  );
  await using reader = await openReader(system.configFile);
  const ordersBefore = system.orders();
  await system.workers();
  const fresh = await until(
    "the renewal after the restore",
    async () => {
      const [latest] = await reader.store.renewals.list({ certificate: "site", limit: 1 });
      return latest?.reason === "restored" && latest.finishedAt !== null ? latest : null;
    },
    120_000,
  );
  expect(fresh).toMatchObject({
    state: "succeeded",
    reasonDetail: expect.stringMatching(/^endpoint .* serves a newer certificate \(serial [0-9A-F]+\)/),
  });
  expect(fresh.generation).toBeGreaterThan(1_000);
  expect(system.orders() - ordersBefore).toBe(1);
  await forced();
  await watching.stop();

  expect(watching.seen).toContain(third);
  expect(watching.seen).not.toContain(second);
  const latest = await reader.store.versions.latest("site");
  expect(latest?.generation).toBe(fresh.generation + 1);
  const everywhere = [
    await servedFingerprint(haproxy.port, NAME),
    ...(await Promise.all(bundles.map((bundle) => storedFingerprint(bundle)))),
  ];
  expect(new Set(everywhere)).toEqual(new Set([latest?.leaf.fingerprint]));
});
