import { describe, expect, it } from "vitest";
import { createClockGuard } from "../../../src/renewal/watch/clockGuard.ts";

const DAY_MS = 86_400_000;
const NO_SIGNAL = new AbortController().signal;

/** A machine with a clock that can be stepped, beside a reference whose clock is right. */
function machine(): {
  wall: number;
  monotonic: number;
  reachable: boolean;
  asked: number;
  changes: (string | null)[];
  repeats: number;
  check: (signal?: AbortSignal) => Promise<void>;
} {
  const state = {
    wall: Date.UTC(2027, 0, 1),
    monotonic: 0,
    trueTime: Date.UTC(2027, 0, 1),
    reachable: true,
    asked: 0,
    changes: [] as (string | null)[],
    repeats: 0,
  };
  const guard = createClockGuard({
    clock: { now: () => state.wall, monotonic: () => state.monotonic, sleep: async () => {} },
    async witnesses() {
      state.asked += 1;
      const aheadMs = state.trueTime + state.monotonic - state.wall;
      const witness = { name: "the CA's clock", origin: "ca.example", issuers: ["ca"], aheadMs };
      return state.reachable ? [witness] : [];
    },
    onRepeat: async () => void state.repeats++,
    lastWriteAt: async () => state.trueTime - 60_000,
    onChange: async ({ problem }, before) => void (before?.problem !== problem && state.changes.push(problem)),
  });
  return Object.assign(state, { check: (signal = NO_SIGNAL) => guard.check(signal) });
}

describe("the clock guard", () => {
  it("lets a right clock pass and asks only now and then", async () => {
    const here = machine();
    await here.check();
    for (let minute = 0; minute < 9; minute++) {
      here.wall += 60_000;
      here.monotonic += 60_000;
      await here.check();
    }
    expect(here.asked).toBe(1);
    here.wall += 120_000;
    here.monotonic += 120_000;
    await here.check();
    expect(here.asked).toBe(2);
  });

  it("says every hour that a clock is still wrong, so that a machine that is gone can be told from one that has stopped", async () => {
    const here = machine();
    here.wall += 40 * DAY_MS;
    for (let minute = 0; minute < 150; minute++) {
      await here.check().catch(() => {});
      here.wall += 60_000;
      here.monotonic += 60_000;
    }
    expect([here.changes.length, here.repeats]).toEqual([1, 2]);
  });

  it.each([
    ["40 days ahead", 40 * DAY_MS, "40 d ahead of the CA's"],
    ["2 days behind", -2 * DAY_MS, "2 d behind the CA's"],
  ])(
    "refuses a clock that is %s from the start, says so once, and recovers when it is set",
    async (_name, skewMs, message) => {
      const here = machine();
      here.wall += skewMs;
      await expect(here.check()).rejects.toMatchObject({
        code: "clock.skewed",
        message: expect.stringContaining(message),
      });
      await expect(here.check()).rejects.toMatchObject({ code: "clock.skewed" });
      here.wall -= skewMs;
      await here.check();
      expect(here.changes).toEqual([expect.stringContaining(message), null]);
    },
  );

  it("notices a step at once, without waiting for the next measurement", async () => {
    const here = machine();
    await here.check();
    here.wall += 40 * DAY_MS;
    await expect(here.check()).rejects.toMatchObject({ code: "clock.skewed" });
  });

  it("does not believe a big step while nobody can be asked, and does once somebody confirms it", async () => {
    const here = machine();
    here.wall -= 40 * DAY_MS;
    await expect(here.check()).rejects.toMatchObject({ code: "clock.skewed" });
    const late = machine();
    late.reachable = false;
    await late.check();
    late.wall += DAY_MS;
    await expect(late.check()).rejects.toMatchObject({ message: expect.stringContaining("was stepped") });
    late.wall -= DAY_MS;
    await late.check().catch(() => {});
    late.reachable = true;
    late.wall += 5_000;
    late.monotonic += 5_000;
    await late.check();
    expect(late.changes.at(-1)).toBeNull();
  });

  it("asks once for all who want to know at the same moment, also when the first of them gives up", async () => {
    const here = machine();
    const first = new AbortController();
    const checks = [here.check(first.signal), here.check(), here.check()];
    first.abort(new Error("gave up"));
    expect((await Promise.allSettled(checks)).map(({ status }) => status)).toEqual([
      "rejected",
      "fulfilled",
      "fulfilled",
    ]);
    expect(here.asked).toBe(1);
  });

  it("stops one CA's orders alone when only that CA's clock differs", async () => {
    const differs = { name: "the CA's clock", origin: "zero.example", issuers: ["zero", "zero2"], aheadMs: DAY_MS };
    const right = { name: "the CA's clock", origin: "le.example", issuers: ["le"], aheadMs: 0 };
    const guard = createClockGuard({
      clock: { now: () => Date.UTC(2027, 0, 1), monotonic: () => 0, sleep: async () => {} },
      witnesses: async () => [differs, right],
      lastWriteAt: async () => null,
      onChange: async () => {},
    });
    await guard.check(NO_SIGNAL);
    await guard.check(NO_SIGNAL, "le");
    for (const issuer of ["zero", "zero2"])
      await expect(guard.check(NO_SIGNAL, issuer)).rejects.toMatchObject({ code: "acme.clock" });
  });

  it.each([-40 * DAY_MS, 40 * DAY_MS])(
    "goes on when all CAs are %i ms off, since they agreed with it before",
    async (offMs) => {
      let [now, aheadMs] = [Date.UTC(2027, 0, 1), 0];
      const ca = (issuer: string) => ({
        name: "the CA's clock",
        origin: `${issuer}.example`,
        issuers: [issuer],
        aheadMs,
      });
      const guard = createClockGuard({
        clock: { now: () => now, monotonic: () => now, sleep: async () => {} },
        witnesses: async () => [ca("le"), ca("zero")],
        lastWriteAt: async () => null,
        onChange: async () => {},
      });
      await guard.check(NO_SIGNAL);
      now += 11 * 60_000;
      aheadMs = offMs;
      await guard.check(NO_SIGNAL);
      await expect(guard.check(NO_SIGNAL, "le")).rejects.toMatchObject({ code: "acme.clock" });
      aheadMs = 0;
      now += 11 * 60_000;
      await guard.check(NO_SIGNAL, "le");
    },
  );

  it("trusts the clock it started with when nobody can be asked: an offline start is no outage", async () => {
    const here = machine();
    here.reachable = false;
    await expect(here.check()).resolves.toBeUndefined();
  });

  it.each([4 * 60_000, -4 * 60_000])("tolerates %i ms", async (skewMs) => {
    const here = machine();
    here.wall += skewMs;
    await expect(here.check()).resolves.toBeUndefined();
  });
});
