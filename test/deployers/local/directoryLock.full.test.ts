import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { text } from "node:stream/consumers";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Directory, openDirectory } from "../../../src/deployers/local/directory.ts";
import { lockDirectory } from "../../../src/deployers/local/directoryLock.ts";
import { tryLock } from "../../../src/deployers/local/lockFile.ts";
import { until } from "../../support/until.ts";

const NEVER = new AbortController().signal;
const SCRIPT = fileURLToPath(new URL("./holdLock.ts", import.meta.url));

describe("the directory's lock", () => {
  let root: string;
  let directory: Directory;
  let children: AsyncDisposableStack;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "renewd-lock-"));
    directory = await openDirectory(root, root);
    children = new AsyncDisposableStack();
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await children.disposeAsync();
    await directory[Symbol.asyncDispose]();
    await rm(root, { recursive: true });
  });

  /** Another process that takes the lock and keeps it until `end`. */
  function holder() {
    const child = spawn(process.execPath, [SCRIPT, root], { stdio: ["pipe", "pipe", "inherit"] });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const ended = once(child, "exit");
    const end = async (): Promise<void> => {
      child.stdin.end();
      await ended;
    };
    children.defer(end);
    return { end, says: (word: string) => until(word, async () => (said.includes(word) ? true : null)), child };
  }

  it("says why a file cannot be locked that another program wrote", async () => {
    await writeFile(join(root, ".renewd.lock"), "pid 1");
    await expect(lockDirectory(directory, NEVER)).rejects.toMatchObject({
      code: "deploy.io",
      message: expect.stringMatching(/\.renewd\.lock: another program wrote it: remove it$/),
    });
  });

  it("says why a user who may not open it cannot have it", async () => {
    // Only root can be another user.
    expect(process.getuid?.()).toBe(0);
    await chmod(root, 0o755);
    await writeFile(join(root, ".renewd.lock"), "", { mode: 0o600 });
    const child = spawn(process.execPath, [SCRIPT, root], { stdio: ["ignore", "ignore", "pipe"], uid: 65_534 });
    expect(await text(child.stderr)).toContain(".renewd.lock: permission denied (EACCES)");
    expect(child.exitCode).not.toBe(0);
  });

  it("is waited for as long as it takes", async () => {
    const other = holder();
    await other.says("held");
    const tries = vi.spyOn(DatabaseSync.prototype, "exec");
    let locked = false;
    const waiting = lockDirectory(directory, NEVER).then((lock) => {
      locked = true;
      return lock;
    });
    // However often it has tried.
    await until("many tries", async () => tries.mock.calls.length > 100 || null);
    expect(locked).toBe(false);
    await other.end();
    using _lock = await waiting;
  });

  it("is no longer waited for once the caller stops, and those behind still get their turn", async () => {
    const first = await lockDirectory(directory, NEVER);
    const controller = new AbortController();
    const stop = new Error("stop");
    const stopped = lockDirectory(directory, controller.signal);
    const behind = lockDirectory(directory, NEVER);
    controller.abort(stop);
    await expect(stopped).rejects.toBe(stop);
    first[Symbol.dispose]();
    using _lock = await behind;
  });

  it("names the lock when a time limit ends the wait, in this process or another", async () => {
    const timeout = { code: "deploy.timeout", message: expect.stringContaining(join(root, ".renewd.lock")) };
    const other = holder();
    await other.says("held");
    const limited = [1, 2].map(() => lockDirectory(directory, AbortSignal.timeout(100)));
    for (const outcome of await Promise.allSettled(limited)) expect(outcome).toMatchObject({ reason: timeout });
  });

  it("goes to waiters of this process in the order they asked", async () => {
    const first = await lockDirectory(directory, NEVER);
    const order: number[] = [];
    const waiters = [1, 2, 3, 4, 5].map(async (number) => {
      using _lock = await lockDirectory(directory, NEVER);
      order.push(number);
    });
    first[Symbol.dispose]();
    await Promise.all(waiters);
    expect(order).toEqual([1, 2, 3, 4, 5]);
  });

  it("is shared in this process by those who have no file in common, and by nobody else", async () => {
    const [one, other] = await Promise.all(
      [["a", "b"], ["c"]].map((files) => lockDirectory(directory, NEVER, { files })),
    );
    const order: string[] = [];
    const waiting = [["b", "x"], undefined, ["y"]].map(async (files) => {
      using _lock = await lockDirectory(directory, NEVER, files === undefined ? {} : { files });
      order.push(String(files));
    });
    other?.[Symbol.dispose]();
    // A turn is given up by time only, so whoever does not wait for the first one has had many.
    for (let turns = 0; turns < 100; turns++) await nextTurn();
    expect(order).toEqual([]);
    one?.[Symbol.dispose]();
    await Promise.all(waiting);
    expect(order).toEqual(["b,x", "undefined", "y"]);
  });

  it("is left by one of those who share it without the others losing it", async () => {
    // However slow the machine is, their time is not up.
    vi.spyOn(performance, "now").mockReturnValue(0);
    const [one, other] = await Promise.all([["a"], ["b"]].map((files) => lockDirectory(directory, NEVER, { files })));
    one?.[Symbol.dispose]();
    one?.[Symbol.dispose]();
    const tries = vi.spyOn(DatabaseSync.prototype, "exec");
    await lockDirectory(directory, NEVER, { files: ["c"] }).then((lock) => lock[Symbol.dispose]());
    // Whoever joins opens nothing, and another process does not get it.
    expect(tries).not.toHaveBeenCalled();
    expect(tryLock(join(root, ".renewd.lock"), root)).toBeNull();
    other?.[Symbol.dispose]();
    tryLock(join(root, ".renewd.lock"), root)?.[Symbol.dispose]();
  });

  it("goes to another process before this one has served all of its own waiters", async () => {
    const first = await lockDirectory(directory, NEVER);
    const other = holder();
    await other.says("waiting");
    const theirs = other.says("held");
    let served = 0;
    const waiters = Array.from({ length: 60 }, async () => {
      using _lock = await lockDirectory(directory, NEVER);
      served += 1;
      // Together longer than one process may keep it; nobody waits once the other has it.
      await Promise.race([delay(100), theirs]);
    });
    first[Symbol.dispose]();
    await theirs;
    expect(served).toBeLessThan(60);
    await other.end();
    await Promise.all(waiters);
  });

  it("ends with a process that is killed", async () => {
    const other = holder();
    await other.says("held");
    other.child.kill("SIGKILL");
    using _lock = await lockDirectory(directory, AbortSignal.timeout(30_000));
  });
});
