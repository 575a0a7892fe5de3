// A real Alertmanager, from the opening of an alert to its end, over its own death.
import { expect, it } from "vitest";
import { MINUTE_MS } from "../../src/domain/time.ts";
import { alertmanager } from "../../src/notify/alertmanager.ts";
import { notifyPeople } from "../../src/renewal/watch/notify.ts";
import { testChannel } from "../../src/renewal/watch/testChannel.ts";
import { AlertBench, alertCertificate } from "../support/model/alertBench.ts";
import { NO_SIGNAL } from "../support/model/workbench.ts";
import { startAlertmanager } from "../support/servers/alertmanager.ts";
import { startReceiver } from "../support/system/receiver.ts";
import { until } from "../support/until.ts";

const TESTED = { by: null, why: null };
const noSecret = (): Promise<never> => Promise.reject(new TypeError("no secret is configured"));

it("keeps one alert of a cause: also when it is posted again, forgets it, gets more certificates and becomes a page", {
  timeout: 60_000,
}, async () => {
  await using receiver = await startReceiver();
  await using server = await startAlertmanager(receiver.url);
  await using estate = await AlertBench.open(["www", "api"].map((name) => alertCertificate(name)));
  let monotonic = 0;
  const context = { ...estate.context, clock: { ...estate.context.clock, monotonic: () => monotonic } };
  const after = async (durationMs: number): Promise<void> => {
    estate.bench.now += durationMs;
    monotonic += durationMs;
    await notifyPeople(context, NO_SIGNAL);
  };
  const send = alertmanager.create(alertmanager.options.parse({ url: server.url, labels: { team: "web" } }), {
    channel: "monitor",
    secret: noSecret,
  });
  const { keepsAlerts = false, repeatMs = 0 } = alertmanager;
  estate.bench.channels.set("monitor", { from: "warning", keepsAlerts, repeatMs, send });
  await after(0);

  await estate.fail("www");
  await after(0);
  const [opened, ...others] = await server.alerts();
  expect(others).toEqual([]);
  expect(opened?.labels).toEqual({ alertname: "Renewd", alert: expect.any(String), severity: "warning", team: "web" });
  expect(opened?.annotations).toMatchObject({ certificate: "www", summary: expect.stringContaining("renewal failed") });
  expect(opened?.startsAt).toBe(new Date(estate.bench.now).toISOString());
  await until("the opening", async () => (receiver.received.length > 0 ? true : null));

  await server.restart();
  expect(await server.alerts()).toEqual([]);
  await estate.fail("api");
  await after(6 * MINUTE_MS);
  expect(await server.alerts()).toMatchObject([{ labels: opened?.labels, startsAt: opened?.startsAt }]);

  // Three failures in a row are a page.
  await estate.bench.store.certificates.update("www", { failures: 3 });
  await after(2 * MINUTE_MS);
  const raised = await server.alerts();
  expect(raised).toMatchObject([{ labels: { ...opened?.labels, severity: "page" } }]);
  expect(raised).toHaveLength(1);

  await estate.heal("www", "api");
  // As a test of the channel: it is taken, and changes nothing.
  await expect(
    testChannel(context, "monitor", { from: "info", keepsAlerts, send }, TESTED, NO_SIGNAL),
  ).resolves.toBeNull();
  expect(await server.alerts()).toHaveLength(1);
  await after(0);
  await after(6 * MINUTE_MS);
  expect(await server.alerts()).toEqual([]);
  const isOver = ({ text }: { readonly text: string }): boolean => /"status":"resolved".*"severity":"page"/.test(text);
  await until("the end", async () => (receiver.received.some(isOver) ? true : null));
});
