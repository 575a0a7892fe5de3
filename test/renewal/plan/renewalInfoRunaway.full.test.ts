import { expect, it } from "vitest";
import type { IssueResult, Issuer } from "../../../src/domain/issuer.ts";
import type { RenewalInfo } from "../../../src/domain/renewalInfo.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { pollRenewalInfo } from "../../../src/renewal/plan/renewalInfo.ts";
import { describeEvent } from "../../../src/renewal/rules/notificationRules.ts";
import { issue } from "../../../src/renewal/steps/issue.ts";
import { type Issuing, startIssuing } from "../../support/ca/issuing.ts";
import { certificate, DAY_MS, version } from "../../support/model/facts.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const NO_SIGNAL = new AbortController().signal;

/** Issues at once what it is asked for; `window` says what it suggests for each certificate. */
function runaway(time: () => number, window: (now: number) => Pick<RenewalInfo, "start" | "end">): Issuer {
  let serial = 0;
  return {
    async issue(): Promise<IssueResult> {
      const [now, { leaf }] = [time(), version()];
      serial += 1;
      return {
        leaf: { ...leaf, serial: String(serial), notBefore: now, notAfter: now + 90 * DAY_MS },
        ...{ leafPem: `leaf ${serial}`, chainPem: ["intermediate"], privateKey: new Secret("key") },
      };
    },
    renewalInfo: async () => ({ ...window(time()), explanationUrl: null, pollAt: time() + MINUTE_MS }),
  };
}

async function run({ context, time }: Issuing, forMs: number, tickMs: number): Promise<void> {
  for (const end = time.now + forMs; time.now < end; time.now += tickMs) {
    await pollRenewalInfo(context, NO_SIGNAL);
    for (const renewal of await planDue(context, NO_SIGNAL)) await issue(context, renewal.id, NO_SIGNAL);
  }
}

const bare = certificate({ targets: [], endpoints: [] });
const solver = { challengeType: "http-01", present: async () => {}, cleanUp: async () => {} };

it.each<[string, (now: number) => Pick<RenewalInfo, "start" | "end">]>([
  ["always lies in the same past", () => ({ start: 0, end: DAY_MS })],
  ["always lies an hour back", (now) => ({ start: now - 2 * HOUR_MS, end: now - HOUR_MS })],
  ["opens a second after it is asked for", (now) => ({ start: now + 1_000, end: now + 2_000 })],
  ["is always open", (now) => ({ start: now, end: now + 2 })],
])(
  "a window that %s has a certificate replaced once, then people are paged and its own window applies",
  async (_name, window) => {
    const clock = { now: () => 0 };
    const issuer = runaway(() => clock.now(), window);
    await using issuing = await startIssuing(bare, { ca: issuer }, solver);
    clock.now = () => issuing.time.now;
    await issuing.attempt();
    await run(issuing, 300 * MINUTE_MS, MINUTE_MS);
    await run(issuing, 20 * DAY_MS, HOUR_MS);
    const { store } = issuing;
    expect(await store.versions.latest("www")).toMatchObject({ generation: 2 });
    const ignored = await store.events.list({ certificate: "www", types: ["renewalInfo.ignored"], limit: 10 });
    expect(ignored).toHaveLength(1);
    const [event = expect.unreachable()] = ignored;
    expect(describeEvent(event)).toMatchObject({
      severity: "page",
      message: expect.stringContaining("2 versions in a row"),
    });
    // The certificate's own window: a third of its life left.
    await run(issuing, 45 * DAY_MS, 12 * HOUR_MS);
    expect(await store.versions.latest("www")).toMatchObject({ generation: 3 });
  },
);

it("a window that moves into the past later is obeyed once; twice in a row, people are paged", async () => {
  const clock = { now: () => 0 };
  let isPast = false;
  const issuer = runaway(
    () => clock.now(),
    (now) =>
      isPast ? { start: now - 2 * HOUR_MS, end: now - HOUR_MS } : { start: now + DAY_MS, end: now + 2 * DAY_MS },
  );
  await using issuing = await startIssuing(bare, { ca: issuer }, solver);
  clock.now = () => issuing.time.now;
  await issuing.attempt();
  const { store } = issuing;
  const generation = async (): Promise<number> => (await store.versions.latest("www"))?.generation ?? 0;
  await run(issuing, 5 * MINUTE_MS, MINUTE_MS);
  isPast = true;
  await run(issuing, 5 * MINUTE_MS, MINUTE_MS);
  expect(await generation()).toBe(2);
  isPast = false;
  await run(issuing, HOUR_MS, MINUTE_MS);
  isPast = true;
  await run(issuing, 8 * DAY_MS, HOUR_MS);
  expect(await generation()).toBe(2);
  await run(issuing, 2 * DAY_MS, HOUR_MS);
  expect(await generation()).toBe(2);
  expect(await store.events.list({ certificate: "www", types: ["renewalInfo.ignored"], limit: 10 })).toHaveLength(1);
});
