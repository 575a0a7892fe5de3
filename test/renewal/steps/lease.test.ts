// A worker's own watch over what it has claimed.
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { RenewalError } from "../../../src/domain/errors.ts";
import { withLease } from "../../../src/renewal/steps/lease.ts";
import { NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";
import { until } from "../../support/until.ts";

it.each(["signal", "within"] as const)(
  "in a process that was stopped and continued, the %s a deployer holds refuses before any timer has run",
  async (which) => {
    await using bench = await Workbench.open([]);
    const { context } = bench;
    const work = withLease(context, { claimedAt: bench.now, extend: async () => true }, NO_SIGNAL, async (lease) => {
      const signal = which === "signal" ? lease.signal : lease.within(60_000);
      signal.throwIfAborted();
      bench.now += context.settings.leaseMs;
      signal.throwIfAborted();
    });
    await expect(work).rejects.toMatchObject({ code: "lease.lost" });
  },
);

it("a deployer's time is limited as well", async () => {
  await using bench = await Workbench.open([]);
  const work = withLease(
    bench.context,
    { claimedAt: bench.now, extend: async () => true },
    NO_SIGNAL,
    async (lease) => {
      const signal = lease.within(1);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      expect(lease.signal.aborted).toBe(false);
      signal.throwIfAborted();
    },
  );
  await expect(work).rejects.toMatchObject({ name: "TimeoutError" });
});

it("extends one at a time, and ends only when the last extension has", async () => {
  await using bench = await Workbench.open([]);
  const context = { ...bench.context, settings: { ...bench.context.settings, leaseMs: 60 } };
  let [running, most, extensions] = [0, 0, 0];
  const extend = async (): Promise<boolean> => {
    extensions += 1;
    running += 1;
    most = Math.max(most, running);
    // Longer than the time after which the next is due.
    await delay(context.settings.leaseMs);
    running -= 1;
    return true;
  };
  const twice = (): Promise<true> => until("two extensions", async () => extensions > 1 || null);
  await withLease(context, { claimedAt: bench.now, extend }, NO_SIGNAL, twice);
  expect({ most, running }).toEqual({ most: 1, running: 0 });
});

const accept = async (): Promise<boolean> => true;

it.each([
  ["is renewed at once where the claim was answered late", 4_000, accept, 1],
  ["is asked for again soon where the database refused, not at the next third", 3_000, refusedOnce(), 2],
])("a lease %s", async (_, answeredAfterMs, extend, extensions) => {
  await using bench = await Workbench.open([]);
  const { leaseMs } = bench.context.settings;
  const log = { ...bench.context.log, warn: () => {} };
  const asked: number[] = [];
  const begunAt = performance.now();
  const clock = { ...bench.context.clock, monotonic: () => bench.now + (performance.now() - begunAt) };
  const all = Promise.withResolvers<void>();
  const terms = {
    claimedAt: bench.now - answeredAfterMs,
    async extend(): Promise<boolean> {
      asked.push(performance.now() - begunAt);
      if (asked.length === extensions) all.resolve();
      return extend();
    },
  };
  await withLease({ ...bench.context, clock, log }, terms, NO_SIGNAL, () => all.promise);
  expect(asked).toHaveLength(extensions);
  expect(Math.max(...asked)).toBeLessThan(leaseMs / 3);
});

function refusedOnce(): () => Promise<boolean> {
  let isFirst = true;
  return async () => {
    if (!isFirst) return true;
    isFirst = false;
    throw new RenewalError("store.unavailable", "the database is busy");
  };
}
