// A history of 1,000,000 events, on a disk: what ticks, pages, retention and audits ask of it takes no longer for it.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Store } from "../../src/domain/store.ts";
import { DAY_MS } from "../../src/domain/time.ts";
import { auditStore, openStore, openVault } from "../../src/store/index.ts";
import type { Drill } from "./drill.ts";
import { BUSIEST, fillHistory } from "./longHistory.ts";

const EVENTS = 1_000_000;
const TO = Date.UTC(2026, 5, 1);
const KEPT_MS = 400 * DAY_MS;
const HISTORY = { events: EVENTS, from: TO - KEPT_MS - 100 * DAY_MS, to: TO };
/** Of everything but the audit, on a machine that is busy with something else. */
const ONE_MAX_MS = 1_000;
const BATCH_ROWS = 500;

const longHistory: Drill = {
  name: "long-history",
  faults: "23",
  title: `${EVENTS.toLocaleString("en")} events: ticks, pages and retention answer within ${ONE_MAX_MS} ms, and the audit finds them whole`,
  quick: false,
  async alone() {
    const at = Date.now();
    const directory = await mkdtemp(join(tmpdir(), "renewd-long-history-"));
    const options = { kind: "sqlite", file: join(directory, "renewd.db") } as const;
    const vault = await openVault({ file: join(directory, "master.key") });
    const [notes, problems]: [string[], string[]] = [[], []];
    try {
      await fillHistory(options, vault, HISTORY);
      const store = await openStore(options, vault, "drill/1");
      for (const [name, ask] of Object.entries(questions(store))) {
        const startedAt = performance.now();
        await ask();
        const tookMs = Math.round(performance.now() - startedAt);
        notes.push(`${name}: ${tookMs} ms`);
        if (tookMs > ONE_MAX_MS) problems.push(`${name} took ${tookMs} ms`);
      }
      await store.close();
      const startedAt = performance.now();
      const noted = { noted: [], now: TO };
      const { events, headProblem, faults, prunedTo } = await auditStore(
        options,
        vault,
        noted,
        AbortSignal.timeout(600_000),
      );
      notes.push(`audit of ${events} events: ${Math.round(performance.now() - startedAt)} ms`);
      if (headProblem !== null || faults.length > 0) problems.push("the audit does not find the history whole");
      if (prunedTo !== BATCH_ROWS) problems.push(`retention removed ${prunedTo} events, not ${BATCH_ROWS}`);
      return { injections: [{ at, convergedAt: Date.now() }], notes, problems };
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
};

export const HISTORY_DRILLS: readonly Drill[] = [longHistory];

function questions(store: Store): Readonly<Record<string, () => Promise<unknown>>> {
  const { events, renewals, certificates, search, retention, versions } = store;
  const ends = ["issue.failed", "version.issued"] as const;
  const page = { limit: 100, after: null };
  return {
    "certificates that are due": () => certificates.due(TO, 200),
    "renewals that are due": () => renewals.due(TO, { limit: 200, leaseMs: 10_000, first: "urgent" }),
    "renewals that are held": () => renewals.list({ states: ["held"], limit: 500 }),
    "the latest versions": () => versions.listLatest(),
    "what the busiest certificate has of one type": () =>
      events.list({ certificate: BUSIEST, types: ["certificate.paused"], limit: 1 }),
    "what it has of two types": () => events.list({ certificate: BUSIEST, types: ends, limit: 100 }),
    "the newest events": () => events.list({ limit: 100 }),
    "the head": () => events.mark(),
    "a page of the history": () => search.renewals({}, page),
    "its last page": () => search.renewals({}, { ...page, after: { at: HISTORY.from + DAY_MS, id: "r" } }),
    "its counts": () => search.countRenewals({}),
    "its histogram": () => search.histogram({}, { from: TO - KEPT_MS, stepMs: DAY_MS }),
    "a page of events": () => search.events({}, { limit: 100, beforeSeq: null }),
    "their count": () => search.countEvents({}),
    "renewals of a name": () => search.renewals({ names: ["site-12"] }, page),
    "keys that can go": () => retention.eraseKeys(TO - 7 * DAY_MS, BATCH_ROWS),
    "events that can go": () => retention.pruneEvents(TO - KEPT_MS, TO, BATCH_ROWS),
    "renewals that can go": () => retention.pruneRenewals(TO - KEPT_MS, BATCH_ROWS),
    "versions that can go": () => retention.pruneVersions(TO - KEPT_MS, BATCH_ROWS),
  };
}
