import { expect, it } from "vitest";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { Channel, Notification } from "../../../src/domain/notification.ts";
import { deliverNotifications } from "../../../src/renewal/watch/notify.ts";
import { configured, createFleet } from "../../support/model/fleet.ts";

const NO_SIGNAL = new AbortController().signal;
const OF = { certificate: "www", renewalId: "r-1", target: null };

it("a channel that keeps alerts is sent what ends one although that is below its `from`; another is not", async () => {
  await using fleet = await createFleet();
  const process = fleet.process(configured("1"));
  const sent: string[] = [];
  const to = (name: string, keepsAlerts: boolean): Channel => ({
    from: "page",
    keepsAlerts,
    send: async ({ event, resolves }: Notification) => void sent.push(`${name} ${event} ${resolves}`),
  });
  const channels = new Map([
    ["pager", to("pager", true)],
    ["chat", to("chat", false)],
  ]);
  const opened = { alert: "0badcafe", severity: "page", message: "no", channels: ["pager", "chat"], firstBadAt: 0 };
  const context = { ...process, services: { ...process.services, channels: () => channels } };
  await deliverNotifications(context, NO_SIGNAL);
  await fleet.store.events.append({
    at: fleet.now,
    type: "alert.opened",
    ...OF,
    detail: opened,
  });
  await fleet.store.events.append({ at: fleet.now, type: "renewal.succeeded", ...OF, detail: { generation: 2 } });
  await deliverNotifications(context, NO_SIGNAL);
  expect(sent.toSorted()).toEqual([
    "chat alert.opened false",
    "pager alert.opened false",
    "pager renewal.succeeded true",
  ]);
});

it("a channel whose receiver asks for two minutes is left alone for two minutes", async () => {
  await using fleet = await createFleet();
  const process = fleet.process(configured("1"));
  const asked: number[] = [];
  const channel: Channel = {
    from: "info",
    keepsAlerts: false,
    async send() {
      asked.push(fleet.now);
      throw new RenewalError("notify.failed", "channel ops: busy", { retryAt: fleet.now + 120_000 });
    },
  };
  const context = { ...process, services: { ...process.services, channels: () => new Map([["ops", channel]]) } };
  await deliverNotifications(context, NO_SIGNAL);
  await fleet.store.events.append({ at: fleet.now, type: "renewal.succeeded", ...OF, detail: { generation: 2 } });
  const began = fleet.now;
  for (let tick = 0; tick < 30; tick++) {
    await deliverNotifications(context, NO_SIGNAL);
    fleet.now += 5_000;
  }
  expect(asked.map((at) => at - began)).toEqual([0, 120_000]);
});
