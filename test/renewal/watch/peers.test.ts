// Another renewd that this one watches: what its answers mean, when people are called, and what they see.
import { expect, test } from "vitest";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { PeerAnswer, PeerSource } from "../../../src/domain/peer.ts";
import { MINUTE_MS, SECOND_MS } from "../../../src/domain/time.ts";
import { isPeerDue, type PeerOutcome, peerAfter } from "../../../src/renewal/rules/peers.ts";
import { watchPeers } from "../../../src/renewal/watch/peers.ts";
import { alertsReport } from "../../../src/reports/alerts.ts";
import { peerNotices } from "../../../src/reports/peers.ts";
import { AlertBench } from "../../support/model/alertBench.ts";
import { NO_SIGNAL } from "../../support/model/workbench.ts";

const SOURCE = { name: "berlin", url: "https://berlin.example", everyMs: MINUTE_MS, sweepMaxMs: 5 * MINUTE_MS };
const WELL: PeerAnswer = { ready: true, reasons: [], sweepAgeMs: 2_000 };
const NOW = Date.UTC(2026, 0, 1);

test.each<[string, PeerOutcome, string, string | null]>([
  ["that does its work", { answer: WELL }, "well", null],
  ["of a release that tells no age", { answer: { ...WELL, sweepAgeMs: null } }, "well", null],
  ["whose last sweep is just young enough", { answer: { ...WELL, sweepAgeMs: 300_000 } }, "well", null],
  [
    "whose last sweep is too old",
    { answer: { ...WELL, sweepAgeMs: 300_001 } },
    "late",
    "its planner completed no sweep for 5 min",
  ],
  [
    "that is not ready",
    { answer: { ready: false, reasons: ["planner: no planner runs"], sweepAgeMs: null } },
    "notReady",
    "it says that it does not work: planner: no planner runs",
  ],
  [
    "that does not answer",
    { problem: "berlin.example did not answer" },
    "unreachable",
    "berlin.example did not answer",
  ],
])("a peer %s", (_, outcome, state, problem) => {
  expect(peerAfter(null, SOURCE, outcome, NOW)).toMatchObject({ state, problem, since: NOW, askedAt: NOW });
});

test("answers that are the same keep their beginning, and what another address said is not about this one", () => {
  const first = peerAfter(null, SOURCE, { answer: WELL }, NOW);
  const lost = peerAfter(first, SOURCE, { problem: "gone" }, NOW + MINUTE_MS);
  const still = peerAfter(lost, SOURCE, { problem: "gone" }, NOW + 2 * MINUTE_MS);
  expect(still).toMatchObject({ since: NOW + MINUTE_MS, failures: 2, lastWellAt: NOW, sweptAt: NOW - 2_000 });
  const moved = { ...SOURCE, url: "https://other.example" };
  expect(peerAfter(still, moved, { problem: "gone" }, NOW)).toMatchObject({ failures: 1, lastWellAt: null });
  expect(isPeerDue(moved, still, still.askedAt)).toBe(true);
  expect([14, 15].map((s) => isPeerDue(SOURCE, still, still.askedAt + s * SECOND_MS))).toEqual([false, true]);
  expect([59, 60].map((s) => isPeerDue(SOURCE, first, first.askedAt + s * SECOND_MS))).toEqual([false, true]);
});

test("people are called when a peer was not well twice, until it is, and all see when that was said", async () => {
  await using estate = await AlertBench.open([], { resolveAfterMs: 0 });
  const { bench } = estate;
  const { store } = bench;
  estate.channel("ops");
  let answer: PeerAnswer | null = WELL;
  const peer: PeerSource = {
    ...SOURCE,
    async ask() {
      if (answer === null) throw new RenewalError("peer.unreachable", "berlin.example did not answer: ECONNREFUSED");
      return answer;
    },
  };
  let peers = [peer];
  const context = { ...estate.context, services: { ...estate.context.services, peers: () => peers } };
  const ask = async (): Promise<void> => {
    expect([await watchPeers(context, NO_SIGNAL), await watchPeers(context, NO_SIGNAL)]).toEqual([1, 0]);
    await estate.after(MINUTE_MS);
  };
  const report = async () => {
    const source = {
      store,
      settings: context.settings.alerts,
      channels: bench.channels,
      peers,
      responsibilityOf: () => null,
    };
    return (await alertsReport(source, { all: false, alert: null }, bench.now)).peers;
  };
  expect(await report()).toMatchObject([{ peer: "berlin", state: "unknown", askedAt: null }]);
  await ask();
  expect(await report()).toMatchObject([
    { state: "well", sweptAt: new Date(bench.now - MINUTE_MS - 2_000).toISOString() },
  ]);

  answer = null;
  await ask();
  await estate.after(0);
  expect(estate.texts()).toEqual([]);
  const wellAt = bench.now - 2 * MINUTE_MS;
  await ask();
  expect(estate.texts("ops")).toEqual([
    expect.stringMatching(/^opened .*peer berlin .*cannot be asked .*ECONNREFUSED/),
  ]);
  expect(estate.sent[0]?.notification.severity).toBe("page");
  expect(await report()).toMatchObject([{ state: "unreachable", lastWellAt: new Date(wellAt).toISOString() }]);
  const [notice] = peerNotices(await store.peers.list(), bench.now);
  expect(notice?.what).toMatch(/berlin.example did not answer: ECONNREFUSED \(asked 1 min ago, so since /);

  answer = WELL;
  await ask();
  expect(estate.texts("ops").at(-1)).toMatch(/^resolved /);
  expect((await store.events.list({ types: ["peer.changed"], limit: 9 })).map(({ detail }) => detail.state)).toEqual([
    "unreachable",
    "well",
  ]);

  // What was said long ago says nothing about now.
  bench.now += 5 * MINUTE_MS;
  expect(await report()).toMatchObject([{ state: "unknown" }]);
  expect(peerNotices(await store.peers.list(), bench.now)[0]?.what).toContain("unknown, it was last asked 6 min ago");
  peers = [];
  await watchPeers(context, NO_SIGNAL);
  expect(await store.peers.list()).toEqual([]);
});
