import { expect, it } from "vitest";
import { createPace, sharedReading } from "../../src/process/sharedReading.ts";

/** A clock that stands still, and readings of which each takes so much of the processor. */
function machine(readingMs: number) {
  const time = { now: 1_000, used: 0 };
  const pace = createPace({ now: () => time.now, used: () => time.used });
  const read = () =>
    pace.spend(async () => {
      time.used += readingMs;
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

it("waits for nothing where few ask, and reads for a tenth of the time at most where many do", async () => {
  const { time, pace, read } = machine(10);
  const shortest = pace.waitMs();
  for (let reading = 0; reading < 10; reading += 1) {
    expect(pace.waitMs()).toBe(shortest);
    await read();
  }
  let readings = 0;
  for (const endsAt = time.now + 10_000; time.now < endsAt; readings += 1) {
    await read();
    time.now += pace.waitMs();
  }
  expect(readings).toBeGreaterThanOrEqual(95);
  expect(readings).toBeLessThanOrEqual(105);
});

it("waits for a second at most, however long a reading takes", async () => {
  const { pace, read } = machine(5_000);
  await read();
  expect(pace.waitMs()).toBe(1_000);
});
