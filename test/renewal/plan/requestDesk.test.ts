import { afterEach, beforeEach, expect, it } from "vitest";
import type { Context } from "../../../src/renewal/context.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import type { RenewalRequest } from "../../../src/renewal/plan/request.ts";
import { createRequestDesk } from "../../../src/renewal/plan/requestDesk.ts";
import { configured, createFleet, type Fleet } from "../../support/model/fleet.ts";

const NO_SIGNAL = new AbortController().signal;
let fleet: Fleet;
let planner: Context;
beforeEach(async () => {
  fleet = await createFleet();
  planner = fleet.process(configured("1"));
  await configure(planner, NO_SIGNAL);
});
afterEach(() => fleet[Symbol.asyncDispose]());

const forced = (askedAt: number | null): RenewalRequest => {
  return { certificate: "www", force: true, reason: null, requestedBy: null, askedAt };
};

it("hundreds of copies of a program's request are one renewal and one entry in the history", async () => {
  const desk = createRequestDesk(planner);
  const askedAt = fleet.now;
  const answers = await Promise.all(Array.from({ length: 100 }, () => desk(forced(askedAt))));
  await fleet.work(planner);
  fleet.now += 60_000;
  // These were queued before the renewal began, and are taken after its end.
  for (let copy = 0; copy < 100; copy++) answers.push(await desk(forced(askedAt)));
  expect(new Set(answers.map(({ renewalId }) => renewalId)).size).toBe(1);
  expect(await fleet.store.renewals.list({ limit: 10 })).toHaveLength(1);
  expect(await fleet.store.events.list({ types: ["renewal.hurried"], limit: 10 })).toEqual([]);
});

it("a program that asks after a renewal began and ended, and a person at any time, get another", async () => {
  const desk = createRequestDesk(planner);
  const first = await desk(forced(fleet.now));
  await fleet.work(planner);
  fleet.now += 60_000;
  const second = await desk(forced(fleet.now));
  await fleet.work(planner);
  const third = await desk(forced(null));
  expect(new Set([first, second, third].map(({ renewalId }) => renewalId)).size).toBe(3);
});

it("a refusal is decided once in a while too, and again when its time is over", async () => {
  const desk = createRequestDesk(planner);
  const gone = { certificate: "absent", force: false, reason: null, requestedBy: null, askedAt: fleet.now };
  let asked = 0;
  const { services } = planner;
  const counting = createRequestDesk({
    ...planner,
    services: {
      ...services,
      certificate(name) {
        asked += 1;
        return services.certificate(name);
      },
    },
  });
  await expect(counting(gone)).rejects.toMatchObject({ code: "request.invalid" });
  const once = asked;
  for (let copy = 0; copy < 100; copy++)
    await expect(counting(gone)).rejects.toMatchObject({ code: "request.invalid" });
  expect(asked).toBe(once);
  fleet.now += 2_000;
  await expect(counting(gone)).rejects.toMatchObject({ code: "request.invalid" });
  expect(asked).toBe(2 * once);
  await expect(desk(gone)).rejects.toMatchObject({ code: "request.invalid" });
});
