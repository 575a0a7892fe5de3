import { expect, test } from "vitest";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { HorizonSource } from "../../../src/domain/horizon.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../../src/domain/time.ts";
import { horizonFault } from "../../../src/renewal/rules/horizon.ts";
import { watchHorizon } from "../../../src/renewal/watch/horizon.ts";
import { horizonReport } from "../../../src/reports/horizon.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

test("ends are read when it is time, one that cannot be read keeps what was known, and nothing else stays", async () => {
  await using bench = await Workbench.open([modelCertificate("www")]);
  const asked: string[] = [];
  let problem: RenewalError | null = null;
  const ends = new Map([
    ["target vault", bench.now + 2 * HOUR_MS],
    ["domain example.org", bench.now + 90 * DAY_MS],
  ]);
  const source = (subject: string): HorizonSource => ({
    ...{ kind: "token", subject, owner: "ops@example.org", runbook: null },
    async look() {
      asked.push(subject);
      if (problem !== null) throw problem;
      return [{ what: "end", ends: ends.get(subject) ?? null, begins: null, note: null }];
    },
  });
  const services = { ...bench.context.services, horizon: () => [...ends.keys()].map(source) };
  const context = { ...bench.context, services };
  expect(await watchHorizon(context, NO_SIGNAL)).toBe(2);
  expect(await watchHorizon(context, NO_SIGNAL)).toBe(0);
  const { ends: shown } = await horizonReport(bench.store, null, bench.now);
  expect(shown.map(({ subject, endsAt }) => [subject, Date.parse(endsAt ?? "")])).toEqual([...ends]);
  expect((await horizonReport(bench.store, DAY_MS, bench.now)).ends).toHaveLength(1);

  // What ends within a day is looked at again soon, and what cannot be read prolongs nothing.
  problem = new RenewalError("horizon.unknown", "vault does not answer");
  bench.now += 11 * MINUTE_MS;
  asked.length = 0;
  await watchHorizon(context, NO_SIGNAL);
  expect(asked).toEqual(["target vault"]);
  const [first] = await bench.store.horizon.list();
  expect(first).toMatchObject({ ends: ends.get("target vault"), problem: "vault does not answer" });

  ends.delete("target vault");
  await watchHorizon(context, NO_SIGNAL);
  expect((await bench.store.horizon.list()).map(({ subject }) => subject)).toEqual(["domain example.org"]);
});

test.each([
  ["with half of its life left nobody is notified", 50, 100, null],
  ["in the last fifth", 19, 100, ["warning", 1, false]],
  ["in the last tenth", 9, 100, ["warning", 2, false]],
  ["at a last threshold", 2, 100, ["page", 3, true]],
  ["when it has ended", -1, 100, ["page", 4, true]],
  ["what does not say when it began counts as made for a year", 70, null, ["warning", 1, false]],
])("%s", (_, daysLeft, lifeDays, expected) => {
  const now = Date.UTC(2026, 0, 1);
  const ends = now + daysLeft * DAY_MS;
  const begins = lifeDays === null ? null : ends - lifeDays * DAY_MS;
  const of = { kind: "domain", subject: "domain example.org", what: "registration", note: null } as const;
  const entry = { ...of, ends, begins, owner: "ops", runbook: "https://x", checkedAt: now, problem: null };
  const fault = horizonFault(entry, { lifeLeft: [0.2, 0.1, 0.03] }, now);
  expect(fault && [fault.severity, fault.level, fault.isLast]).toEqual(expected);
  if (fault !== null) expect(`${fault.what} ${fault.action}`).toMatch(/owner ops.*https:\/\/x/);
});
