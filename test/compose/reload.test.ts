import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { startRenewd } from "../support/system/renewd.ts";
import { until } from "../support/until.ts";
import { configured } from "./configured.ts";

/** proc(5): whether the process has a handler for SIGHUP, which is signal 1. */
function catchesHangUp(pid: number): boolean {
  const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
  return (BigInt(`0x${caught}`) & 1n) === 1n;
}

it("SIGHUP from the first moment on, again and again: the process starts, and reloads once it runs", {
  timeout: 60_000,
}, async () => {
  const { directory, configFile } = await configured();
  await using starting = startRenewd(["run", "--config", configFile]);
  await until("a handler for SIGHUP", async () => catchesHangUp(starting.pid) || null);
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
  expect(await starting.stop()).toBe(0);
});

it("SIGHUP ends any other command", async () => {
  const { configFile } = await configured();
  await using asking = startRenewd(["history", "--since", "1d", "--config", configFile]);
  await until("a handler for SIGHUP", async () => catchesHangUp(asking.pid) || null);
  asking.kill("SIGHUP");
  expect(await asking.exited).toBeNull();
});
