import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { freePort } from "../support/freePort.ts";
import { seeded } from "../support/model/random.ts";
import { startRenewd } from "../support/system/renewd.ts";
import { until } from "../support/until.ts";
import { configured } from "./configured.ts";

/** proc(5): whether the process has a handler for SIGHUP, which is signal 1, or ignores it. */
function catchesHangUp(pid: number, kinds = "SigCgt"): boolean {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const sets = [...status.matchAll(new RegExp(`^(?:${kinds}):\\s*([0-9a-f]+)$`, "gm"))];
  return sets.some(([, set]) => (BigInt(`0x${set}`) & 1n) === 1n);
}

async function execReload(pid: number): Promise<void> {
  const unit = await readFile(join(import.meta.dirname, "../../deploy/systemd/renewd.service"), "utf8");
  // systemd.service(5): two dollar signs are one.
  const script = /^ExecReload=\/bin\/sh -c '(.*)'$/m.exec(unit)?.[1]?.replaceAll("$$", "$") ?? expect.unreachable();
  await promisify(execFile)("sh", ["-c", script], { env: { ...process.env, MAINPID: String(pid) } });
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text
    .split(" ")
    .filter((one) => one.trim() !== "")
    .map(Number);
}

/** What the shell asks at its start, as readlink, may have ended since it was listed. */
function hangUp(pid: number): void {
  try {
    process.kill(pid, "SIGHUP");
  } catch (thrown) {
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "ESRCH")) throw thrown;
  }
}

it("SIGHUP from the first moment on, again and again: the process starts, and reloads once it runs", {
  timeout: 180_000,
}, async () => {
  const { directory, configFile, url } = await configured();
  await using starting = startRenewd(["run", "--config", configFile]);
  // As systemd reloads: it waits for the handler itself.
  await execReload(starting.pid);
  expect(catchesHangUp(starting.pid)).toBe(true);
  expect(existsSync(join(directory, "data")), "the handler is there before anything is opened").toBe(false);
  let isRunning = false;
  const running = starting.logged("renewd is running").finally(() => {
    isRunning = true;
  });
  let sent = 0;
  for (; !isRunning && !starting.ended(); sent++) {
    starting.kill("SIGHUP");
    await delay(20);
  }
  await running;
  expect(sent).toBeGreaterThan(5);
  await starting.logged("configuration reloaded");
  expect(starting.ended()).toBe(false);

  // What shapes the process follows the file too.
  const port = await freePort();
  const file = JSON.parse(await readFile(configFile, "utf8")) as object;
  const change = { http01: { host: "127.0.0.1", port }, log: { level: "warn" }, workers: { issue: 1 } };
  await writeFile(configFile, JSON.stringify({ ...file, ...change, redis: { url: "redis://127.0.0.1:1" } }));
  const warned = starting.loggedAgain("needs a restart: redis");
  starting.kill("SIGHUP");
  await warned;
  const answer = await fetch(`http://127.0.0.1:${port}/.well-known/acme-challenge/absent`);
  expect(answer.status).toBe(404);
  await expect(fetch(url)).rejects.toThrowError();
  expect(starting.log.at(-1), "less important lines are not written any more").toContain('"level":40');
  expect(await starting.stop()).toBe(0);
});

it("SIGHUP at any moment while Node itself starts: bin/renewd stays, and hands on only what Node can take", {
  timeout: 180_000,
}, async () => {
  const { configFile } = await configured();
  await using starting = startRenewd(["run", "--config", configFile], {}, "bin/renewd");
  // Before it reads its first line, nothing can keep a shell.
  await until("the shell to read its first line", async () => catchesHangUp(starting.pid, "SigCgt|SigIgn") || null);
  let isRunning = false;
  const running = starting.logged("renewd is running").finally(() => {
    isRunning = true;
  });
  const random = seeded(6);
  for (let sent = 0; sent < 50; sent++) {
    await delay(2 + random.below(40));
    starting.kill("SIGHUP");
    // As a terminal or `systemctl kill` sends it: to every process, also to a Node that cannot take it yet.
    if (sent < 10) for (const child of childrenOf(starting.pid)) hangUp(child);
    expect(starting.ended(), `signal ${sent}`).toBe(false);
  }
  if (!isRunning) await running;
  const reloaded = starting.loggedAgain("configuration reloaded");
  starting.kill("SIGHUP");
  await reloaded;
  expect(await starting.stop()).toBe(0);
});

it("SIGHUP ends any other command", async () => {
  const { configFile } = await configured();
  await using asking = startRenewd(["history", "--since", "1d", "--config", configFile]);
  await until("a handler for SIGHUP", async () => catchesHangUp(asking.pid) || null);
  asking.kill("SIGHUP");
  expect(await asking.exited).toBeNull();
});
