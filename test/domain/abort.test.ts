import { getEventListeners, once } from "node:events";
import { describe, expect, it, onTestFinished } from "vitest";
import { deadlineAfter, raceAbort } from "../../src/domain/abort.ts";

const never = (): Promise<never> => new Promise(() => {});

/** Rejections that nobody handled while the test ran. */
function watchUnhandled(): unknown[] {
  const unhandled: unknown[] = [];
  const onRejection = (reason: unknown): number => unhandled.push(reason);
  process.on("unhandledRejection", onRejection);
  onTestFinished(() => void process.off("unhandledRejection", onRejection));
  return unhandled;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a race against an abort signal", () => {
  it("ends as the work does", async () => {
    const { signal } = new AbortController();
    await expect(raceAbort(signal, async () => 1)).resolves.toBe(1);
    await expect(raceAbort(signal, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    const thrower = (): Promise<void> => {
      throw new Error("at once");
    };
    await expect(raceAbort(signal, thrower)).rejects.toThrow("at once");
  });

  it("ends with the signal's reason although the work does not listen", async () => {
    const controller = new AbortController();
    const race = raceAbort(controller.signal, never);
    controller.abort(new Error("stopped"));
    await expect(race).rejects.toThrow("stopped");
  });

  it("does not start the work under an aborted signal", async () => {
    let started = false;
    const work = async (): Promise<void> => {
      started = true;
    };
    await expect(raceAbort(AbortSignal.abort(new Error("stopped")), work)).rejects.toThrow("stopped");
    expect(started).toBe(false);
  });

  it("leaves no rejection when the check itself aborts the signal, as a lease past its deadline does", async () => {
    const unhandled = watchUnhandled();
    const controller = new AbortController();
    const signal = Object.assign(controller.signal, {
      throwIfAborted(): void {
        controller.abort(new Error("the lease ran out"));
        throw controller.signal.reason;
      },
    });
    await expect(raceAbort(signal, never)).rejects.toThrow("the lease ran out");
    await turn();
    expect(unhandled).toEqual([]);
  });

  it("drops what the work does after the abort, also when it fails", async () => {
    const unhandled = watchUnhandled();
    const controller = new AbortController();
    const { promise, reject } = Promise.withResolvers<never>();
    const race = raceAbort(controller.signal, () => promise);
    controller.abort(new Error("stopped"));
    await expect(race).rejects.toThrow("stopped");
    reject(new Error("too late"));
    await turn();
    expect(unhandled).toEqual([]);
  });
});

describe("a deadline", () => {
  it("aborts when time is up, and says that it was time", async () => {
    using deadline = deadlineAfter(1, new AbortController().signal);
    // The timer alone keeps no process running.
    const waiting = setTimeout(() => {}, 60_000);
    await once(deadline.signal, "abort");
    clearTimeout(waiting);
    expect([deadline.isOver(), String(deadline.signal.reason)]).toEqual([true, "Error: not done within 1 ms"]);
  });

  it("aborts with the outer signal, also with one that was aborted before, and then time is not up", () => {
    const outer = new AbortController();
    using deadline = deadlineAfter(60_000, outer.signal);
    outer.abort(new Error("stopped"));
    using late = deadlineAfter(60_000, outer.signal);
    for (const { signal, isOver } of [deadline, late])
      expect([String(signal.reason), isOver()]).toEqual(["Error: stopped", false]);
  });

  it("leaves nothing behind", () => {
    const { signal } = new AbortController();
    const deadlines = Array.from({ length: 100 }, () => deadlineAfter(60_000, signal));
    expect(getEventListeners(signal, "abort")).toHaveLength(100);
    for (const deadline of deadlines) deadline[Symbol.dispose]();
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });
});
