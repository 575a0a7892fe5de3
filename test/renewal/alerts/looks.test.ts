// How a planner reads the history for alerts, look by look.
import { expect, it } from "vitest";
import { MINUTE_MS } from "../../../src/domain/time.ts";
import { AlertBench, alertCertificate } from "../../support/model/alertBench.ts";

it("a failure behind more good news than one look reads is said at the next look", async () => {
  await using estate = await AlertBench.open([alertCertificate("www"), alertCertificate("api")]);
  estate.channel("ops");
  await estate.after(0);
  const { store } = estate.bench;
  await store.transaction((tx) => estate.succeeded(tx, "api", 600));
  await estate.fail("www");
  await estate.after(0);
  await estate.after(MINUTE_MS);
  expect(estate.texts()).toEqual([expect.stringMatching(/^opened www: renewal failed/)]);
});

it("a failure that was passed over while the clock was wrong is said as soon as the clock is right", async () => {
  await using estate = await AlertBench.open([alertCertificate("www")]);
  const { bench } = estate;
  estate.channel("ops");
  await estate.after(0);
  bench.skewed = true;
  await estate.fail("www");
  const of = { at: bench.now, certificate: null, renewalId: null, target: null };
  await bench.store.events.append({ ...of, type: "store.rolledBack", detail: { number: 1, seal: "s" } });
  await estate.after(0);
  expect(estate.texts(), "which moved the mark past the failure").toEqual([expect.stringMatching(/^opened renewd: /)]);
  bench.skewed = false;
  await estate.after(MINUTE_MS);
  expect(estate.texts().at(-1)).toMatch(/^opened www: renewal failed/);
});
