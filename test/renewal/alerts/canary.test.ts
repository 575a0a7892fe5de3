import { expect, it } from "vitest";
import { DAY_MS, HOUR_MS, SECOND_MS } from "../../../src/domain/time.ts";
import { renewCanary } from "../../../src/renewal/watch/canary.ts";
import { selfTestChannels } from "../../../src/renewal/watch/selfTest.ts";
import { AlertBench, alertCertificate } from "../../support/model/alertBench.ts";
import { NO_SIGNAL } from "../../support/model/workbench.ts";

it("the canary is issued, deployed and proved each day, once however many planners ask; failing or late, it pages", async () => {
  const canary = { certificate: "canary", everyMs: DAY_MS };
  await using estate = await AlertBench.open([alertCertificate("canary")], { canary });
  const { bench, context } = estate;
  estate.channel("ops");
  await estate.after(0);
  await estate.renew();
  const proved = async () => (await bench.store.versions.latest("canary"))?.generation;
  expect(await proved()).toBe(1);
  for (let day = 1; day <= 2; day++) {
    const asked = [renewCanary(context, NO_SIGNAL), renewCanary(context, NO_SIGNAL)];
    expect((await Promise.all(asked)).toSorted()).toEqual([false, true]);
    await estate.renew();
    await estate.after(DAY_MS);
  }
  expect([await proved(), estate.texts()]).toEqual([3, []]);
  estate.broken.set("issuer ca", "acme.server");
  await renewCanary(context, NO_SIGNAL);
  await estate.renew();
  await estate.after(0);
  expect(estate.sent[0]?.notification).toMatchObject({
    severity: "page",
    message: expect.stringMatching(/^canary: renewal failed/),
  });
  // Nobody asks any more: silence itself is found.
  estate.broken.clear();
  bench.now += DAY_MS;
  await renewCanary(context, NO_SIGNAL);
  await estate.renew();
  await estate.after(0);
  await estate.after(HOUR_MS);
  expect(estate.texts().at(-1)).toMatch(/^resolved canary: /);
  await estate.after(2 * DAY_MS);
  expect(estate.texts().at(-1)).toMatch(/^opened canary: the canary was last proved 2 d 1 h ago/);
});

it("each channel is tried by itself, by one planner; one that fails is told on the others until it works", async () => {
  await using estate = await AlertBench.open([alertCertificate("www")], { selfTestMs: 7 * DAY_MS });
  const { bench, context } = estate;
  for (const name of ["ops", "mail"]) estate.channel(name, { from: "page" });
  await estate.after(0);
  estate.down.add("mail");
  const tried = await Promise.all([selfTestChannels(context, NO_SIGNAL), selfTestChannels(context, NO_SIGNAL)]);
  expect(tried.toSorted()).toEqual([0, 2]);
  expect(estate.sent).toMatchObject([{ channel: "ops", notification: { event: "test", resolves: true } }]);
  await estate.after(10 * SECOND_MS);
  expect(estate.texts("ops").at(-1)).toMatch(/^opened renewd: channel mail has failed its self-test: .* is away$/);
  estate.down.clear();
  bench.now += 2 * HOUR_MS;
  expect(await selfTestChannels(context, NO_SIGNAL)).toBe(1);
  await estate.after(0);
  await estate.after(HOUR_MS);
  expect(estate.texts("ops").at(-1)).toMatch(/^resolved renewd: channel mail/);
  expect((await bench.store.alerts.state()).selfTests).toMatchObject({ mail: { error: null }, ops: { error: null } });
  bench.now += 6 * DAY_MS;
  expect(await selfTestChannels(context, NO_SIGNAL)).toBe(0);
});
