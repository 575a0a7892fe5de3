import { existsSync } from "node:fs";
import { readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openViewer } from "../../src/compose/viewer.ts";
import { RenewalError, toRenewalError } from "../../src/domain/errors.ts";
import { ROLES } from "../../src/domain/role.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../src/domain/time.ts";
import { heartbeat } from "../support/model/facts.ts";
import { applyFile } from "../support/system/appliedConfiguration.ts";
import { configText, createInstallation, type Installation } from "../support/system/installation.ts";

let installation: Installation;
beforeEach(async () => {
  installation = await createInstallation(configText(["www", "api"]));
});
afterEach(() => installation[Symbol.asyncDispose]());

test.each([
  ["one that YAML cannot read", (text: string) => `${text}\n  - {`],
  ["an unknown key", (text: string) => text.replace('"certificates"', '"certificats"')],
])(
  "a mistake in the file (%s) hides nothing: the configuration in force is shown, and the mistake",
  async (_, spoil) => {
    await applyFile(installation);
    await writeFile(installation.configFile, spoil('version: 1\ndataDir: data\n"certificates": {}\n'));
    await using viewer = await openViewer(installation.configFile);
    expect((await viewer.fleet.all()).map(({ name }) => name).sort()).toEqual(["api", "www"]);
    expect(viewer.found).toMatchObject([{ id: "configuration/file", needsPerson: true }]);
  },
);

test("a mistake in the file that a process refused to load is one finding, and that of another file another", async () => {
  const { configFile, store } = installation;
  await applyFile(installation);
  await writeFile(configFile, "version: 1\ndataDir: data\nisuers: {}\n");
  const now = Date.now();
  const refused = async (of: string, host: string): Promise<void> => {
    const message = `${of} was not reloaded, or not all of it: unknown key isuers`;
    const problems = [{ kind: "reload", message, action: "Fix it.", since: now } as const];
    const beat = { process: `${host}/1`, host, configFile: of, beatAt: now, startedAt: now, problems };
    await store.health.beat(ROLES.map((role) => heartbeat({ ...beat, role })));
  };
  const found = async (): Promise<string[]> => {
    const { notices } = JSON.parse((await installation.run("status", "--json")).stdout);
    return notices.flatMap(({ kind }: { kind: string }) => (kind === "configuration" || kind === "reload" ? kind : []));
  };
  await refused(configFile, "one");
  expect(await found()).toEqual(["configuration"]);
  await refused("/etc/renewd/other.yaml", "two");
  expect(await found()).toEqual(["configuration", "reload"]);
});

test("without an applied configuration the mistakes themselves are the answer", async () => {
  await writeFile(installation.configFile, "dataDir: data\nisuers: {}\n");
  await expect(openViewer(installation.configFile)).rejects.toMatchObject({ code: "config.invalid" });
});

test("a data directory that cannot be entered is named, and not taken for one where renewd has not run", async () => {
  const data = join(installation.directory, "data");
  await installation.store.close();
  await rm(data, { recursive: true });
  // As root every directory can be entered, but none that leads to itself.
  await symlink(data, data);
  await expect(openViewer(installation.configFile)).rejects.toMatchObject({
    code: "store.forbidden",
    message: expect.stringContaining("renewd.db cannot be reached by this user (ELOOP)"),
  });
});

test("a shorter `observation.every` makes no proof too old before each endpoint can have been looked at", async () => {
  const text = JSON.parse(configText(["www"]));
  const configure = (every: string): Promise<void> =>
    writeFile(installation.configFile, JSON.stringify({ ...text, observation: { every } }));
  const observeMs = async (): Promise<number> => {
    await using viewer = await openViewer(installation.configFile);
    return viewer.observeMs;
  };
  await configure("12h");
  await applyFile(installation, Date.now() - DAY_MS);
  await configure("10m");
  expect(await observeMs(), "the planner still works by the longer one").toBe(12 * HOUR_MS);
  await applyFile(installation, Date.now() - 15 * MINUTE_MS);
  expect(await observeMs(), "the verifier is looking").toBe(12 * HOUR_MS);
  await applyFile(installation, Date.now());
  await configure("12h");
  expect(await observeMs(), "the longer one again").toBe(12 * HOUR_MS);
});

test("proofs are judged by a shorter `observation.every` once each endpoint can have been looked at by it", async () => {
  const text = JSON.parse(configText(["www"]));
  for (const [every, agoMs] of [
    ["12h", DAY_MS],
    ["10m", 17 * MINUTE_MS],
  ] as const) {
    await writeFile(installation.configFile, JSON.stringify({ ...text, observation: { every } }));
    await applyFile(installation, Date.now() - agoMs);
  }
  await applyFile(installation, Date.now());
  await using viewer = await openViewer(installation.configFile);
  expect(viewer.observeMs).toBe(10 * MINUTE_MS);
});

test("what was applied is replaced whole, also where `observation.every` stays the same", async () => {
  const text = JSON.parse(configText(["www"]));
  const configure = (owner: string): Promise<void> =>
    writeFile(installation.configFile, JSON.stringify({ ...text, defaults: { ...text.defaults, owner } }));
  const { applied } = installation.store;
  await configure("alice");
  await applyFile(installation, Date.now() - DAY_MS);
  const before = await applied.read();
  await configure("bob");
  const now = Date.now();
  await applyFile(installation, now);
  const after = await applied.read();
  expect(after).toMatchObject({ appliedAt: now });
  expect(after?.sourceDigest).not.toBe(before?.sourceDigest);
  expect(await applied.certificates({ limit: 1 })).toMatchObject([{ responsibility: { owner: "bob" } }]);
});

test("before renewd has run nothing is created, and that is said", async () => {
  const data = join(installation.directory, "data");
  await installation.store.close();
  await rm(data, { recursive: true });
  {
    await using viewer = await openViewer(installation.configFile);
    expect(viewer.found).toMatchObject([{ id: "database/none", needsPerson: true }]);
    expect(await viewer.store.health.beats()).toEqual([]);
  }
  expect(existsSync(data)).toBe(false);
});

test("secrets of Redis are not needed to look, and what is opened to look cannot be written", async () => {
  const text = JSON.parse(configText(["www"]));
  text.redis = { ...text.redis, password: "env:RENEWD_TEST_NO_SUCH_VARIABLE" };
  await writeFile(installation.configFile, JSON.stringify(text));
  const before = await readdir(join(installation.directory, "data"));
  await using viewer = await openViewer(installation.configFile);
  expect((await viewer.fleet.all()).map(({ name }) => name)).toEqual(["www"]);
  await expect(viewer.store.certificates.update("www", { failures: 7 })).rejects.toBeInstanceOf(RenewalError);
  expect(await readdir(join(installation.directory, "data"))).toEqual(before);
});

test.each([
  ["ENOSPC", "write", "process.files"],
  ["EROFS", "open", "process.files"],
  ["EACCES", "open", "process.files"],
  ["EADDRINUSE", "listen", "process.port"],
  ["EACCES", "listen", "process.port"],
  ["ECONNRESET", "read", "internal.bug"],
])("what the machine does not give is no bug of renewd: %s of %s is %s", (code, syscall, expected) => {
  const thrown = Object.assign(new Error(`${code}: ${syscall} /var/lib/renewd`), { code, syscall });
  expect(toRenewalError(thrown)).toMatchObject({ code: expected, message: expect.stringContaining("/var/lib/renewd") });
});

test("an error while tidying up does not hide the one before it", () => {
  const denied = new RenewalError("deploy.io", "EROFS: read-only file system");
  expect(toRenewalError(new SuppressedError(new Error("EROFS: rm"), denied))).toBe(denied);
});
