import { describe, expect, it } from "vitest";
import type { HistoryEvent } from "../../../src/domain/event.ts";
import {
  type ClockWitness,
  isGone,
  judgeClock,
  type OwnClock,
  openClockProblems,
  openDissents,
} from "../../../src/renewal/rules/clock.ts";

const DAY = 86_400_000;
const HOUR = 3_600_000;
const NOW = Date.UTC(2027, 5, 1);

const ca = (issuer: string, aheadMs: number | null, origin = `${issuer}.example`): ClockWitness => ({
  name: `the CA's clock (issuer "${issuer}")`,
  origin,
  issuers: [issuer],
  aheadMs,
  ...(aheadMs === null && { says: `CA "${issuer}" is outside its dates` }),
});
const twoCas = (aheadMs: number): ClockWitness[] => [ca("le", aheadMs), ca("zero", aheadMs)];
const server = (name: string, aheadMs: number): ClockWitness => ({ name, origin: name, issuers: [], aheadMs });
const own = (facts: Partial<OwnClock> = {}): OwnClock => ({
  now: NOW,
  steppedMs: 0,
  lastWriteAt: NOW - 60_000,
  confirmedAt: null,
  ...facts,
});

/** What is found: "stop", or the issuers (or servers) that are wrong themselves. */
function found(witnesses: readonly ClockWitness[], facts: Partial<OwnClock> = {}): string {
  const { problem, dissents } = judgeClock(witnesses, own(facts));
  if (problem !== null) return "stop";
  return dissents.map(({ witness }) => witness.issuers.join("+") || witness.name).join(", ") || "fine";
}

describe("which clock is wrong", () => {
  it.each<[string, readonly ClockWitness[], Partial<OwnClock>, string]>([
    ["nobody to ask", [], {}, "fine"],
    ["nobody to ask after a step", [], { steppedMs: DAY }, "stop"],
    [
      "the only CA says a cached time after three days off, database and Redis agree with us",
      [ca("le", -2.5 * DAY), server("db", 0), server("redis", 0)],
      { lastWriteAt: NOW - 3 * DAY },
      "le",
    ],
    [
      "the only CA says the time before a suspension, database and Redis agree with us",
      [ca("le", -HOUR), server("db", 0), server("redis", 0)],
      { lastWriteAt: NOW - 8 * HOUR, steppedMs: 8 * HOUR, confirmedAt: NOW - 9 * HOUR },
      "le",
    ],
    [
      "the same with the database alone",
      [ca("le", -2.5 * DAY), server("db", 0)],
      { lastWriteAt: NOW - 3 * DAY },
      "stop",
    ],
    ["all agree", [ca("le", 0), ca("zero", -4 * 60_000), server("db", 1_000)], {}, "fine"],
    ["one CA of two is 40 days ahead", [ca("le", 0), ca("zero", 40 * DAY)], {}, "zero"],
    ["one CA of two is 40 days behind", [ca("le", -40 * DAY), ca("zero", 0)], {}, "le"],
    ["the only CA differs and nothing else speaks against us", [ca("le", -40 * DAY)], {}, "le"],
    ["the only CA differs and the database agrees with us", [ca("le", 40 * DAY), server("db", 0)], {}, "le"],
    ["the only CA's certificate is outside its dates", [ca("le", null)], {}, "le"],
    ["two CAs agree against a clock that was written by just now", twoCas(-40 * DAY), {}, "le, zero"],
    ["two CAs agree on a future instant against such a clock", twoCas(40 * DAY), {}, "le, zero"],
    [
      "the same against one that a CA has confirmed",
      twoCas(40 * DAY),
      { lastWriteAt: null, confirmedAt: NOW },
      "le, zero",
    ],
    [
      "the same against one that was stepped since",
      twoCas(40 * DAY),
      { confirmedAt: NOW, steppedMs: -40 * DAY },
      "stop",
    ],
    ["two CAs agree against a new installation", twoCas(40 * DAY), { lastWriteAt: null }, "stop"],
    [
      "two CAs agree against a clock by which nothing was written for a day",
      twoCas(-DAY),
      { lastWriteAt: NOW - DAY },
      "stop",
    ],
    ["two CAs agree against a clock that is behind what was written", twoCas(DAY), { lastWriteAt: NOW + DAY }, "stop"],
    ["two CAs and Redis agree against it", [...twoCas(40 * DAY), server("redis", 40 * DAY)], {}, "stop"],
    [
      "two CAs through one proxy, and a third one agrees",
      [...twoCas(40 * DAY), ca("third", 0)],
      { lastWriteAt: null },
      "le, zero",
    ],
    [
      "two CAs agree on an instant before one that was confirmed: a proxy keeps their answers",
      [ca("le", -40 * DAY), ca("zero", -40 * DAY)],
      { confirmedAt: NOW - DAY },
      "le, zero",
    ],
    [
      "two CAs agree on an instant after the one that was confirmed: our clock was stepped",
      [ca("le", -40 * DAY), ca("zero", -40 * DAY)],
      { confirmedAt: NOW - 41 * DAY, steppedMs: 40 * DAY },
      "stop",
    ],
    [
      "three CAs agree on an instant before this release",
      [ca("a", -400 * DAY), ca("b", -400 * DAY), ca("c", -400 * DAY)],
      {},
      "a, b, c",
    ],
    [
      "our clock was stepped, and nobody can be asked but a CA whose time is past",
      [ca("le", -400 * DAY)],
      { steppedMs: DAY },
      "stop",
    ],
    ["a CA and the database agree against us", [ca("le", 2 * DAY), server("db", 2 * DAY)], {}, "stop"],
    ["two against us, two with us", [ca("a", DAY), ca("b", DAY), ca("c", 0), server("db", 0)], {}, "a, b"],
    [
      "three against us, two with us",
      [ca("a", DAY), ca("b", DAY), ca("c", DAY), ca("d", 0), ca("e", 0)],
      {},
      "a, b, c",
    ],
    ["two differ, each in its own way", [ca("le", 40 * DAY), ca("zero", -3 * DAY)], {}, "le, zero"],
    [
      "one differs, one's certificate is outside its dates",
      [ca("le", 100 * DAY), ca("zero", null)],
      { lastWriteAt: null },
      "stop",
    ],
    [
      "two issuers of one CA are one witness",
      [ca("le", DAY, "ca.example"), ca("old", DAY, "ca.example")],
      {},
      "le+old",
    ],
    ["the database alone differs", [ca("le", 0), server("db", DAY)], {}, "db"],
    ["the only CA differs after a step that explains it", [ca("le", -DAY)], { steppedMs: DAY }, "stop"],
    ["the only CA differs after a step the other way", [ca("le", -DAY)], { steppedMs: -DAY }, "le"],
    ["we are behind what was written, as the CA says", [ca("le", 2 * DAY)], { lastWriteAt: NOW + 2 * DAY }, "stop"],
    [
      "we are behind this release, as the CA says",
      [ca("le", 500 * DAY)],
      { now: Date.UTC(2026, 0, 1), lastWriteAt: null },
      "stop",
    ],
    ["nothing was written for 40 days, as the CA says", [ca("le", -40 * DAY)], { lastWriteAt: NOW - 40 * DAY }, "stop"],
    [
      "nothing was written for 40 days, and the CA says three years",
      [ca("le", -1_100 * DAY)],
      { lastWriteAt: NOW - 40 * DAY },
      "le",
    ],
    [
      "the same, and our own servers share our clock",
      [ca("le", -40 * DAY), server("db", 0)],
      { lastWriteAt: NOW - 40 * DAY },
      "stop",
    ],
    [
      "the same, and another CA agrees with us",
      [ca("le", -40 * DAY), ca("zero", 0)],
      { lastWriteAt: NOW - 40 * DAY },
      "le",
    ],
    ["a new installation, and the only CA differs", [ca("le", -40 * DAY)], { lastWriteAt: null }, "le"],
  ])("%s", (_name, witnesses, facts, expected) => {
    expect(found(witnesses, facts)).toBe(expected);
  });

  it("says whether a CA is left that agrees", () => {
    const stops = (...witnesses: ClockWitness[]) =>
      judgeClock(witnesses, own()).dissents.map((each) => each.stopsIssuing);
    expect(stops(ca("le", 40 * DAY), ca("zero", 0))).toEqual([false]);
    expect(stops(...twoCas(40 * DAY))).toEqual([true, true]);
    expect(stops(ca("le", 0), server("redis", DAY))).toEqual([false]);
    expect(stops(ca("le", DAY), server("redis", 0))).toEqual([true]);
  });

  it("says how far it is off by whose clock", () => {
    expect(judgeClock(twoCas(-40 * DAY), own({ lastWriteAt: null })).problem).toBe(
      'this machine\'s clock is 40 d ahead of the CA\'s clock (issuer "le") and the CA\'s clock (issuer "zero")',
    );
    expect(judgeClock([ca("le", 0), ca("zero", 2 * DAY)], own()).dissents[0]?.message).toBe(
      "the CA's clock (issuer \"zero\") is 2 d ahead of this machine's, and not enough other clocks agree with it",
    );
  });
});

describe("what machines say about clocks", () => {
  let seq = 0;
  const event = (type: HistoryEvent["type"], worker: string, detail: HistoryEvent["detail"] = {}): HistoryEvent => ({
    seq: ++seq,
    at: 0,
    type,
    certificate: null,
    renewalId: null,
    target: null,
    worker,
    detail: { message: "40 d ahead", ...detail },
  });

  it("those have stopped whose last word is that their clock is wrong, whichever process said it", () => {
    const events = [
      event("clock.skewed", "a/1"),
      event("clock.skewed", "b/1"),
      event("clock.recovered", "a/2"),
      event("clock.dissent", "b/2", { witness: "ca" }),
      event("clock.repeated", "b/1", { stopped: true, witnesses: [] }),
    ];
    expect(openClockProblems(events)).toEqual([{ host: "b", message: "40 d ahead", seq }]);
  });

  it("another clock is wrong until the machine that said so says that it is right", () => {
    const events = [
      event("clock.dissent", "a/1", { witness: "ca-1" }),
      event("clock.dissent", "a/1", { witness: "ca-2" }),
      event("clock.dissentOver", "a/2", { witness: "ca-1" }),
      event("clock.repeated", "a/2", { stopped: false, witnesses: ["ca-2", "ca-3"] }),
    ];
    expect(openDissents(events)).toEqual([
      { host: "a", witness: "ca-2", message: "40 d ahead", stopsIssuing: false, seq },
    ]);
  });

  it("a machine is gone when the others have written for three hours since its last word", () => {
    const HOUR_MS = 3_600_000;
    const other = (hours: number) => ({ worker: "b/1", at: hours * HOUR_MS });
    const own = { worker: "a/1", at: 900 * HOUR_MS };
    expect(isGone("a", [own, other(1)], [own, other(3)])).toBe(false);
    expect(isGone("a", [own, other(1)], [other(5), own])).toBe(true);
    expect(isGone("a", [own], [own]), "there is no other").toBe(false);
  });
});
