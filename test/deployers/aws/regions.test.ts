import { describe, expect, it } from "vitest";
import { inEveryRegion } from "../../../src/deployers/aws/regions.ts";
import { RenewalError } from "../../../src/domain/errors.ts";

const NEVER = new AbortController().signal;
const DOWN = new RenewalError("deploy.unreachable", "down");
const REFUSED = new RenewalError("deploy.refused", "no");
const throttled = (retryAt: number) => new RenewalError("deploy.rateLimited", "slow", { retryAt });

/** What the regions a, b, c … end with: a value or an error. */
function act(...outcomes: (string | Error)[]): Promise<unknown> {
  const places = new Map(outcomes.map((outcome, index) => [String.fromCharCode(97 + index), outcome]));
  return inEveryRegion(
    places,
    async (_region, outcome) => {
      if (outcome instanceof Error) throw outcome;
      return outcome;
    },
    NEVER,
  );
}

describe("acting in every region", () => {
  it("gives each region's outcome in the order of configuration", async () => {
    const release = new Map<string, () => void>();
    const running = inEveryRegion(
      new Map([
        ["a", 1],
        ["b", 2],
      ]),
      (region, place) => new Promise<number>((resolve) => release.set(region, () => resolve(place * 10))),
      NEVER,
    );
    for (const region of ["b", "a"]) release.get(region)?.();
    expect([...(await running)]).toEqual([
      ["a", 10],
      ["b", 20],
    ]);
  });

  it.each([
    [
      "what can be tried again wins over what cannot",
      [REFUSED, DOWN],
      { code: "deploy.unreachable", retryAt: null, message: "a: no; b: down" },
    ],
    [
      "a wait that was asked for is kept",
      [DOWN, throttled(7)],
      { code: "deploy.rateLimited", retryAt: 7, message: "a: down; b: slow" },
    ],
    [
      "the longest wait counts",
      [throttled(9), throttled(7)],
      { code: "deploy.rateLimited", retryAt: 9, message: "a: slow; b: slow" },
    ],
    [
      "what cannot be tried again asks for no wait",
      [REFUSED, "done"],
      { code: "deploy.refused", retryAt: null, message: "a: no; done in b" },
    ],
    ["the only region speaks for itself", [DOWN], { code: "deploy.unreachable", message: "down" }],
    ["a bug is one", [new TypeError("oops"), "done"], { code: "internal.bug", message: "a: oops; done in b" }],
  ])("fails so that %s", async (_why, outcomes, failure) => {
    await expect(act(...outcomes)).rejects.toMatchObject({ name: "RenewalError", ...failure });
  });

  it("throws the reason when it was cancelled, once every region has ended", async () => {
    const controller = new AbortController();
    const reason = new Error("shutting down");
    let ended = 0;
    const running = inEveryRegion(
      new Map([
        ["a", 1],
        ["b", 2],
      ]),
      async () => {
        controller.abort(reason);
        await Promise.resolve();
        ended += 1;
        throw DOWN;
      },
      controller.signal,
    );
    await expect(running).rejects.toBe(reason);
    expect(ended).toBe(2);
  });
});
