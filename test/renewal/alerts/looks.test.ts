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
