import { expect, test } from "vitest";
import type { RenewalError } from "../../src/domain/errors.ts";
import type { RedisOptions } from "../../src/queue/options.ts";
import { startScheduler } from "../../src/queue/scheduler.ts";
import { startRedis } from "../support/servers/redis.ts";

test("the schedule survives FLUSHALL", async () => {
  await using server = await startRedis();
  const redis: RedisOptions = { kind: "single", url: server.url };
  const ticks: string[] = [];
  const scheduler = startScheduler({
    redis,
    tickMs: 300,
    sweepMs: 400,
    handle: async (what) => void ticks.push(what),
    onError: () => {},
  });
  await expect.poll(() => new Set(ticks), { timeout: 5_000 }).toEqual(new Set(["plan", "sweep"]));
  await server.flushall();
  ticks.length = 0;
  await expect.poll(() => ticks.filter((what) => what === "plan").length, { timeout: 15_000 }).toBeGreaterThan(2);
  expect(ticks).toContain("sweep");
  await scheduler.close();
});

test("each tick is handled by one of several planners, and planners come and go", async () => {
  await using server = await startRedis();
  const redis: RedisOptions = { kind: "single", url: server.url };
  const ticks: { planner: number; at: number }[] = [];
  const planner = (number: number) =>
    startScheduler({
      redis,
      tickMs: 500,
      sweepMs: 3_600_000,
      handle: async (what) => void (what === "plan" && ticks.push({ planner: number, at: performance.now() })),
      onError: () => {},
    });
  const planners = [planner(1), planner(2), planner(3)];
  await expect.poll(() => ticks.length, { timeout: 5_000 }).toBeGreaterThan(0);
  const begun = performance.now();
  const before = ticks.length;
  await expect.poll(() => ticks.length - before, { timeout: 15_000 }).toBeGreaterThanOrEqual(8);
  // Eight ticks of one schedule last at least seven periods; three schedules would need a third of that.
  expect(performance.now() - begun).toBeGreaterThan(7 * 500 - 400);
  expect(await server.command("ZCARD", "{renewd}:plan:repeat")).toBe("2");

  const [first, ...others] = planners;
  await Promise.all(others.map((each) => each.close()));
  const left = ticks.length;
  await expect.poll(() => ticks.length - left, { timeout: 10_000 }).toBeGreaterThan(3);
  expect(new Set(ticks.slice(left + 1).map((tick) => tick.planner))).toEqual(new Set([1]));
  await first?.close();
});

test("a failed tick is reported and the next one comes; a slow plan does not hold up the sweep", async () => {
  await using server = await startRedis();
  const errors: RenewalError[] = [];
  let plans = 0;
  let sweeps = 0;
  const scheduler = startScheduler({
    redis: { kind: "single", url: server.url },
    tickMs: 200,
    sweepMs: 200,
    drainTimeoutMs: 100,
    handle: async (what, signal) => {
      if (what === "sweep") {
        sweeps++;
        throw new Error("sweep failed");
      }
      plans++;
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
    onError: (error) => void errors.push(error),
  });
  await expect.poll(() => sweeps, { timeout: 10_000 }).toBeGreaterThan(2);
  expect(plans).toBe(1);
  expect(errors[0]).toMatchObject({ code: "internal.bug", message: "sweep failed" });
  await scheduler.close();
});

test("a changed interval takes the place of the old one", async () => {
  await using server = await startRedis();
  const redis: RedisOptions = { kind: "single", url: server.url };
  const ticks: string[] = [];
  const options = {
    redis,
    sweepMs: 3_600_000,
    handle: async (what: string) => void ticks.push(what),
    onError: () => {},
  };
  const slow = startScheduler({ ...options, tickMs: 3_600_000 });
  await expect.poll(() => ticks, { timeout: 5_000 }).toContain("plan");
  await slow.close();
  ticks.length = 0;
  const fast = startScheduler({ ...options, tickMs: 200 });
  await expect.poll(() => ticks.filter((what) => what === "plan").length, { timeout: 5_000 }).toBeGreaterThan(2);
  await fast.close();
});
