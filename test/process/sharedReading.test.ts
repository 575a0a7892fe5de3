import { expect, it } from "vitest";
import { createPace, keptReading, sharedReading } from "../../src/process/sharedReading.ts";

/** A clock that stands still, but for what readings take. */
function machine(readingMs: number) {
  const time = { now: 1_000 };
  const pace = createPace(() => time.now);
  const read = () =>
    pace.spend(async () => {
      time.now += readingMs;
    });
  return { time, pace, read };
}

it("shares the next reading among all who ask before it begins, and gives nobody an older one", async () => {
  const { pace } = machine(0);
  let begun = 0;
  const ends: (() => void)[] = [];
  const read = sharedReading(() => {
    begun += 1;
    const mine = begun;
    return new Promise<number>((resolve) => ends.push(() => resolve(mine)));
  }, pace);
  const first = [read(), read(), read()];
  await expect.poll(() => begun).toBe(1);
  // It has begun, so it may have missed what happened since.
  const second = [read(), read()];
  ends[0]?.();
  expect(await Promise.all(first)).toEqual([1, 1, 1]);
  await expect.poll(() => begun).toBe(2);
  ends[1]?.();
  expect(await Promise.all(second)).toEqual([2, 2]);
});

it("goes on after a reading that failed", async () => {
  const { pace } = machine(0);
  let fails = true;
  const read = sharedReading(async () => {
    if (fails) throw new Error("unreadable");
    return "read";
  }, pace);
  await expect(read()).rejects.toThrow("unreadable");
  fails = false;
  expect(await read()).toBe("read");
});

it.each([
  [9, "five times a second", 50],
  [200, "for half of the time", 25],
])(
  "waits for nothing where few ask; where many do, readings of %i ms are made %s at most",
  async (takesMs, _, most) => {
    const { time, pace, read } = machine(takesMs);
    const shortest = pace.waitMs();
    expect(shortest).toBeLessThanOrEqual(5);
    await read();
    expect(pace.waitMs()).toBe(shortest);
    const until = async (endsAt: number): Promise<number> => {
      let readings = 0;
      for (; time.now < endsAt; readings += 1) {
        await read();
        time.now += pace.waitMs();
      }
      return readings;
    };
    await until(time.now + 10_000);
    const readings = await until(time.now + 10_000);
    expect(readings).toBeLessThanOrEqual(most + 1);
    expect(readings).toBeGreaterThanOrEqual(most * 0.9);
  },
);

it("waits for a second at most, however long a reading takes", async () => {
  const { pace, read } = machine(50_000);
  await read();
  expect(pace.waitMs()).toBe(1_000);
});

it("keeps a reading for those who ask within its time, and none that failed", async () => {
  let [now, begun, fails] = [0, 0, true];
  const reading = async () => {
    begun += 1;
    if (fails) throw new Error("unreadable");
    return begun;
  };
  const read = keptReading(100, reading, () => now);
  await expect(Promise.all([read(), read()])).rejects.toThrow("unreadable");
  fails = false;
  expect(await Promise.all([read(), read()])).toEqual([2, 2]);
  now = 99;
  expect(await read()).toBe(2);
  now = 100;
  expect(await read()).toBe(3);
});
