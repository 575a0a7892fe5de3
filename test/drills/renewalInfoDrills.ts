// A CA that asks to replace every certificate as soon as it is issued (RFC 9773).
import { setTimeout as delay } from "node:timers/promises";
import { renewalWindow } from "../../src/renewal/rules/window.ts";
import { nameOf } from "../support/servers/edge.ts";
import { startStages } from "../support/system/stages.ts";
import type { Drill } from "./drill.ts";

const NAME = "www";
/** At 43 certificates in 300 s, as was once measured, this is time for eight. */
const RUN_MS = 60_000;
const POLL_MS = 1_000;
const GENERATIONS_MAX = 2;
const RENEWAL_INFO = /\/renewalinfo\//i;
const PAST_WINDOW = JSON.stringify({
  suggestedWindow: { start: "2026-01-01T00:00:00Z", end: "2026-01-02T00:00:00Z" },
});

const ariRunaway: Drill = {
  name: "ari-runaway",
  faults: "30",
  title: "the CA's renewal window lies in the past for every new certificate: one replacement, then it is ignored",
  quick: false,
  async run() {
    let answered = 0;
    await using stages = await startStages({
      edges: ["front"],
      pebble: { version: "2.10" },
      certificates: (edge) => ({
        [NAME]: { names: [nameOf(NAME)], targets: ["front"], endpoints: [edge("front").endpoint(NAME)] },
      }),
    });
    const { system } = stages;
    const { store } = system;
    system.intercept(async ({ path, method }) => {
      if (method !== "GET" || !RENEWAL_INFO.test(path)) return null;
      answered += 1;
      return { status: 200, headers: { "content-type": "application/json", "retry-after": "1" }, body: PAST_WINDOW };
    });
    const at = Date.now();
    await system.workers();
    await stages.reaches(NAME, "succeeded", 90_000);
    let convergedAt: number | null = null;
    for (const end = Date.now() + RUN_MS; Date.now() < end; await delay(POLL_MS)) {
      // A CA is not asked again within a minute; the drill does not wait for that.
      const latest = await store.versions.latest(NAME);
      if (latest !== null) await store.renewalInfos.update(NAME, latest.generation, { nextPollAt: 0 });
      if (convergedAt === null && (await stages.events(NAME, "renewalInfo.ignored")).length > 0)
        convergedAt = Date.now();
    }
    const problems: string[] = [];
    const versions = await store.versions.list(NAME);
    const orders = system.orders();
    if (versions.length > GENERATIONS_MAX || orders > GENERATIONS_MAX)
      problems.push(`${versions.length} generations were issued with ${orders} orders`);
    if (versions.length < GENERATIONS_MAX) problems.push("the CA's first wish for a replacement was not granted");
    const ignored = await stages.events(NAME, "renewalInfo.ignored");
    if (ignored.filter(({ detail }) => detail.distrusted === true).length !== 1)
      problems.push(`${ignored.length} events say that the window is ignored, not one that it is distrusted`);
    if (!(await stages.run("status", "--json")).stdout.includes("its renewal windows are ignored"))
      problems.push("status does not show that the CA's windows are ignored");
    const latest = versions.at(-1);
    const certificate = system.app.context.services.certificate(NAME);
    const nextCheckAt = (await store.certificates.get(NAME))?.nextCheckAt ?? null;
    const dueAt = latest && certificate ? renewalWindow(latest.leaf, certificate.policy).dueAt : null;
    if (dueAt === null || nextCheckAt === null || Math.abs(nextCheckAt - dueAt) > 1)
      problems.push(`the own window is not in force: next check at ${nextCheckAt}, due by its own window at ${dueAt}`);
    return {
      injections: convergedAt === null ? [] : [{ at, convergedAt }],
      problems,
      notes: [`${answered} polls were answered with a window in the past, ${orders} orders`],
    };
  },
};

export const RENEWAL_INFO_DRILLS: readonly Drill[] = [ariRunaway];
