import { expect, it } from "vitest";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { DAY_MS } from "../../support/model/facts.ts";
import { configured, createFleet } from "../../support/model/fleet.ts";

const NO_SIGNAL = new AbortController().signal;

it("a shorter interval of observation or rehearsal holds at once, not after the longer one has passed", async () => {
  await using fleet = await createFleet();
  const process = fleet.process(configured("1"));
  await configure(process, NO_SIGNAL);
  await fleet.store.certificates.update("www", {
    nextObservationAt: fleet.now + DAY_MS,
    nextRehearsalAt: fleet.now + 300 * DAY_MS,
  });
  const settings = { ...process.settings, observeMs: 60_000, rehearseMs: 2 * DAY_MS };
  await configure({ ...process, settings }, NO_SIGNAL);
  expect(await fleet.store.certificates.get("www")).toMatchObject({
    nextObservationAt: fleet.now + 90_000,
    nextRehearsalAt: fleet.now + 3 * DAY_MS,
  });
  // Nothing is put off by a longer one.
  await configure({ ...process, settings: { ...settings, observeMs: DAY_MS } }, NO_SIGNAL);
  expect(await fleet.store.certificates.get("www")).toMatchObject({ nextObservationAt: fleet.now + 90_000 });
});
