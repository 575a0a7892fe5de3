import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createReaderGate, isReading } from "../../src/web/readerGate.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** A thread whose time the test spends. */
function gateWith(shareMax: number) {
  let cpuMs = 0;
  const gate = createReaderGate({ now: () => Date.now(), cpu: () => cpuMs, shareMax });
  return {
    gate,
    enter: (signal = new AbortController().signal) => gate.enter(signal),
    /** The thread works for so long. */
    async work(ms: number): Promise<void> {
      cpuMs += ms;
      await vi.advanceTimersByTimeAsync(ms);
    },
  };
}

/** Asks again and again for `ms`, with answers that take `eachMs`; returns how long readers were inside. */
async function readFor({ enter, work }: ReturnType<typeof gateWith>, ms: number, eachMs: number): Promise<number> {
  let insideMs = 0;
  const until = Date.now() + ms;
  while (Date.now() < until) {
    const turn = enter().catch(() => null);
    let isIn = false;
    void turn.then((leave) => {
      isIn = leave !== null;
    });
    // What else the thread does goes on while the reader waits.
    for (await work(0); !isIn && Date.now() < until; ) await work(5);
    if (!isIn) break;
    await work(eachMs);
    insideMs += eachMs;
    (await turn)?.();
  }
  return insideMs;
}

test("readers together get their share of the thread's time, and a burst beforehand", async () => {
  const insideMs = await readFor(gateWith(0.3), 60_000, 10);
  expect(insideMs).toBeLessThan(0.3 * 60_000 + 1_200);
  expect(insideMs).toBeGreaterThan(0.3 * 60_000 - 500);
});

test("so many wait and no more, none for longer than three seconds, and all are told when to come back", async () => {
  const { gate, enter, work } = gateWith(0.3);
  const inside = await Promise.all([enter(), enter()]);
  const waiting = Array.from({ length: 50 }, () => enter().catch((thrown: unknown) => thrown));
  expect(gate.isFull()).toBe(true);
  await expect(enter()).rejects.toMatchObject({ problem: { status: 503, retryAfterS: 3 } });
  await work(3_100);
  for (const thrown of await Promise.all(waiting)) expect(thrown).toMatchObject({ problem: { status: 503 } });
  expect(gate.isFull()).toBe(false);
  for (const leave of inside) leave();
});

test("who leaves gives up the place, and who has ended twice frees one place", async () => {
  const { enter, work } = gateWith(1);
  const [first, second] = await Promise.all([enter(), enter()]);
  const gone = new AbortController();
  const left = enter(gone.signal).catch((thrown: unknown) => thrown);
  const next = enter();
  gone.abort();
  await expect(left).resolves.toBeInstanceOf(Error);
  first?.();
  first?.();
  const third = await next;
  let isIn = false;
  void enter().then(() => {
    isIn = true;
  });
  await work(1);
  expect(isIn).toBe(false);
  second?.();
  await work(1);
  expect(isIn).toBe(true);
  third();
});

test("probes, scrapes, streams, the way in and decisions do not wait behind readers", () => {
  for (const path of ["/", "/certificates", "/history.csv", "/api/v1/plan"]) expect(isReading("GET", path)).toBe(true);
  for (const path of ["/healthz", "/readyz", "/metrics", "/live", "/api/v1/events/stream", "/assets/1/renewd.css"])
    expect(isReading("GET", path)).toBe(false);
  expect(isReading("POST", "/actions/renew")).toBe(false);
});
