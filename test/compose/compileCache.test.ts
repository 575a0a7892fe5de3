import { chmod, lstat, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ownCache } from "../../src/compose/compileCache.ts";

const uid = process.getuid?.();
let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "home-"));
});
afterEach(() => rm(home, { recursive: true, force: true }));

test("compiled code is kept where only its user writes", async () => {
  expect(ownCache(uid, () => home)).toBe(join(home, ".cache/renewd"));
  expect((await lstat(join(home, ".cache/renewd"))).mode & 0o777).toBe(0o700);
});

test("a second command finds the place of the first", () => {
  expect(ownCache(uid, () => home)).toBe(ownCache(uid, () => home));
});

test.each(["", ".cache", ".cache/renewd"])("not where others may write: ~/%s", async (path) => {
  await mkdir(join(home, path), { recursive: true });
  await chmod(join(home, path), 0o777);
  expect(ownCache(uid, () => home)).toBeNull();
});

test("not in the home of another user, where sudo may lead", async () => {
  expect(ownCache((uid ?? 0) + 1, () => home)).toBeNull();
  await expect(lstat(join(home, ".cache"))).rejects.toThrow("ENOENT");
});

test("not where a link leads", async () => {
  await mkdir(join(home, ".cache/elsewhere"), { recursive: true });
  await symlink("elsewhere", join(home, ".cache/renewd"));
  expect(ownCache(uid, () => home)).toBeNull();
});

test("not for a user that has no home, or is not known here", () => {
  expect(ownCache(uid, () => "/nonexistent")).toBeNull();
  expect(
    ownCache(uid, () => {
      throw new Error("no such user");
    }),
  ).toBeNull();
});
