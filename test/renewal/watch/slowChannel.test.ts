import { expect, it } from "vitest";
import type { Channel } from "../../../src/domain/notification.ts";
import { deliverNotifications } from "../../../src/renewal/watch/notify.ts";
import { configured, createFleet } from "../../support/model/fleet.ts";

const NO_SIGNAL = new AbortController().signal;

it("a channel that is slow gets each notification once, although another planner is ready all the time", async () => {
  await using fleet = await createFleet();
  const process = fleet.process(configured("1"));
  const sent: string[] = [];
  const channel: Channel = {
    from: "info",
    keepsAlerts: false,
    async send({ id }) {
      sent.push(id);
      fleet.now += 40_000;
      await deliverNotifications(context, NO_SIGNAL);
    },
  };
  const context = { ...process, services: { ...process.services, channels: () => new Map([["ops", channel]]) } };
  await deliverNotifications(context, NO_SIGNAL);
  for (let failures = 1; failures <= 6; failures++) {
    const detail = { generation: failures };
    const of = { certificate: "www", renewalId: "r-1", target: null };
    await fleet.store.events.append({ at: fleet.now, type: "renewal.succeeded", ...of, detail });
  }
  for (let tick = 0; tick < 6; tick++) await deliverNotifications(context, NO_SIGNAL);
  expect(sent).toHaveLength(6);
  expect(new Set(sent).size).toBe(6);
});
