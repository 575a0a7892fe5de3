// Whose files renewd takes for its own.
import { chmod, lstat, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { loadConfigOrExplain, readerOf } from "../../src/compose/reader.ts";
import { openViewer } from "../../src/compose/viewer.ts";
import type { Config } from "../../src/config/config.ts";
import { startPrivateRedis } from "../../src/queue/privateRedis.ts";
import { configured } from "./configured.ts";

let config: Config;
let directory: string;
let data: string;
beforeEach(async () => {
  const place = await configured();
  directory = place.directory;
  data = join(directory, "data");
  config = await loadConfigOrExplain(place.configFile);
});
afterEach(() => vi.restoreAllMocks());

/** As if somebody else had made all that exists. */
function becomeAnotherUser(): void {
  vi.spyOn(process, "geteuid").mockReturnValue(4_242_424);
}

async function created(): Promise<void> {
  await (await readerOf(config)).close();
}

it.each([
  ["a link to what is not mounted", async () => symlink(join(directory, "gone"), data), "which does not exist: mount"],
  ["a path below a file", async () => writeFile(data, ""), "data is no directory"],
])("a data directory that cannot exist is named as such: %s", async (_, spoil, why) => {
  await spoil();
  for (const dataDir of [data, join(data, "below")])
    await expect(readerOf({ ...config, dataDir })).rejects.toMatchObject({
      code: "store.forbidden",
      message: expect.stringContaining(why),
    });
});

it("nothing is created in the kernel's file systems, where Node would never end", async () => {
  await expect(readerOf({ ...config, dataDir: "/proc/nope/data" })).rejects.toMatchObject({
    code: "store.forbidden",
    message: expect.stringContaining("nothing can be created in /proc"),
  });
});

it("a data directory that everybody can write to is refused, and nothing is put into it", async () => {
  await mkdir(data);
  await chmod(data, 0o777);
  await expect(readerOf(config)).rejects.toMatchObject({
    code: "store.exposed",
    message: expect.stringContaining(`run: chmod 700 ${data}`),
  });
  await expect(lstat(join(data, "master.key"))).rejects.toMatchObject({ code: "ENOENT" });
});

it("files of another user are refused: directory, master key and database each", async () => {
  await created();
  // Root's files are accepted from anybody: as root, these tests' files have to be somebody else's.
  if (process.getuid?.() === 0) await chownAll(4_000_001);
  becomeAnotherUser();
  await expect(readerOf(config)).rejects.toMatchObject({ code: "store.exposed", message: /^data directory .*chown/ });
  const elsewhere = { ...config, dataDir: join(directory, "absent") };
  await expect(readerOf(elsewhere)).rejects.toMatchObject({ code: "store.exposed", message: /master\.key belongs/ });
});

async function chownAll(uid: number): Promise<void> {
  const { chown } = await import("node:fs/promises");
  for (const path of [data, join(data, "master.key"), join(data, "renewd.db")]) await chown(path, uid, uid);
}

it("a database that is a link is refused before the mode of its target is changed", async () => {
  await created();
  const target = join(directory, "elsewhere.db");
  await rename(join(data, "renewd.db"), target);
  await chmod(target, 0o644);
  await symlink(target, join(data, "renewd.db"));
  await expect(readerOf(config)).rejects.toMatchObject({
    code: "store.exposed",
    message: expect.stringContaining(`is a link to ${target}`),
  });
  expect((await stat(target)).mode & 0o777).toBe(0o644);
});

it("who only looks is refused a linked database too, and nothing appears beside its target", async () => {
  await created();
  const elsewhere = join(directory, "elsewhere");
  await mkdir(elsewhere);
  await rename(join(data, "renewd.db"), join(elsewhere, "real.db"));
  await writeFile(join(elsewhere, "real.db-wal"), "");
  await symlink("../elsewhere/real.db", join(data, "renewd.db"));
  const [from, to] = [join(elsewhere, "real.db"), join(data, "renewd.db")];
  await expect(openViewer(join(directory, "renewd.yaml"))).rejects.toMatchObject({
    code: "store.exposed",
    // Without its journal the database would lose what was written last.
    message: expect.stringContaining(`mv ${from} ${to} && mv ${from}-wal ${to}-wal`),
  });
  expect((await readdir(elsewhere)).sort()).toEqual(["real.db", "real.db-wal"]);
});

it("status names a data directory that everybody can write to, with the command that fixes it", async () => {
  await created();
  await chmod(data, 0o777);
  await using viewer = await openViewer(join(directory, "renewd.yaml"));
  expect(viewer.found).toMatchObject([
    { id: "directory/exposed", needsPerson: true, what: expect.stringContaining(`run: chmod 700 ${data}`) },
  ]);
});

it("the private Redis gets neither a link for a directory nor renewd's environment", async () => {
  const redis = join(directory, "redis");
  await mkdir(data);
  await symlink(data, redis);
  await expect(startPrivateRedis({ directory: redis })).rejects.toMatchObject({ code: "store.exposed" });
  await rm(redis);
  vi.stubEnv("RENEWD_TEST_TOKEN", "planted-token");
  const binary = join(directory, "redis-server");
  await writeFile(binary, `#!/bin/sh\nenv > ${directory}/environment\nexec redis-server "$@"\n`, { mode: 0o755 });
  const server = await startPrivateRedis({ directory: redis, binary });
  await server.stop();
  vi.unstubAllEnvs();
  const names = (await readFile(join(directory, "environment"), "utf8")).split("\n").map((line) => line.split("=")[0]);
  // The shell adds PWD and others of its own.
  expect(names).toContain("PATH");
  expect(names.filter((name) => name?.startsWith("RENEWD") || name === "HOME")).toEqual([]);
});
