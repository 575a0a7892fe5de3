import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createReaderGate, isReading } from "../../src/web/readerGate.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** A thread that does other work for this part of the time in which no reader is inside. */
function gateWith(otherWork: number) {
  let activeMs = 0;
  const gate = createReaderGate({ now: () => Date.now(), activeMs: () => activeMs });
  return {
    gate,
    enter: (signal = new AbortController().signal) => gate.enter(signal),
    async pass(ms: number, isReading: boolean): Promise<void> {
      activeMs += isReading ? ms : ms * otherWork;
      await vi.advanceTimersByTimeAsync(ms);
    },
  };
}

/** Asks again and again for `ms`, with answers that take `eachMs`; returns how long readers were inside. */
async function readFor({ enter, pass }: ReturnType<typeof gateWith>, ms: number, eachMs: number): Promise<number> {
  let insideMs = 0;
  const until = Date.now() + ms;
  while (Date.now() < until) {
    let leave: (() => void) | null = null;
    enter().then(
      (admitted) => {
        leave = admitted;
      },
      () => {},
    );
    for (await pass(0, false); leave === null && Date.now() < until; ) await pass(5, false);
    if (leave === null) break;
    await pass(eachMs, true);
    insideMs += eachMs;
    (leave as () => void)();
  }
  return insideMs;
}

test.each([
  ["idle", 0, 0.5, 0.62],
  ["half busy", 0.5, 0.25, 0.36],
  ["busy", 1, 0.08, 0.14],
])("while the thread is %s, readers get their share of the time", async (_, otherWork, least, most) => {
  const share = (await readFor(gateWith(otherWork), 100_000, 10)) / 100_000;
  expect(share).toBeGreaterThan(least);
  expect(share).toBeLessThan(most);
});

test("so many wait and no more, none for longer than three seconds, and all are told when to come back", async () => {
  const { gate, enter, pass } = gateWith(0.3);
  const inside = await Promise.all([enter(), enter()]);
  const waiting = Array.from({ length: 50 }, () => enter().catch((thrown: unknown) => thrown));
  expect(gate.isFull()).toBe(true);
  await expect(enter()).rejects.toMatchObject({ problem: { status: 503, retryAfterS: 3 } });
  await pass(3_100, true);
  for (const thrown of await Promise.all(waiting)) expect(thrown).toMatchObject({ problem: { status: 503 } });
  expect(gate.isFull()).toBe(false);
  for (const leave of inside) leave();
});

test("who leaves gives up the place, and who has ended twice frees one place", async () => {
  const { enter, pass } = gateWith(0);
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
  await pass(1, true);
  expect(isIn).toBe(false);
  second?.();
  await pass(1, true);
  expect(isIn).toBe(true);
  third();
});

test("probes, scrapes, streams, the way in and decisions do not wait behind readers", () => {
  for (const path of ["/", "/certificates", "/history.csv", "/api/v1/plan"]) expect(isReading("GET", path)).toBe(true);
  for (const path of ["/healthz", "/readyz", "/metrics", "/live", "/api/v1/events/stream", "/assets/1/renewd.css"])
    expect(isReading("GET", path)).toBe(false);
  expect(isReading("POST", "/actions/renew")).toBe(false);
});
