// A planner's notifying part as a process of its own: node alertTeller.child.ts CONFIG TICKS [STEP NUMBER]. It kills
// itself with SIGKILL at the NUMBER-th STEP: before a write, before a channel is asked, or once it has answered.
import { openContext } from "../../src/compose/index.ts";
import type { Channel } from "../../src/domain/notification.ts";
import type { Store } from "../../src/domain/store.ts";
import { createLog } from "../../src/log.ts";
import type { AlertMemory } from "../../src/renewal/watch/alerts.ts";
import { notifyPeople } from "../../src/renewal/watch/notify.ts";

const [, , configFile = "", ticks = "1", deadlyStep = "", number = "0"] = process.argv;

let left = Number(number);

async function step(name: "write" | "send" | "answered"): Promise<void> {
  if (name !== deadlyStep) return;
  left -= 1;
  if (left > 0) return;
  process.kill(process.pid, "SIGKILL");
  // Nothing of it runs any more.
  await new Promise<never>(() => {});
}

function mortalPart<T extends object>(part: T): T {
  return new Proxy(part, {
    get(target, name, receiver) {
      const value: unknown = Reflect.get(target, name, receiver);
      if (typeof value !== "function" || name === "sign") return value;
      return async (...args: unknown[]) => {
        await step("write");
        return Reflect.apply(value, target, args);
      };
    },
  });
}

function mortalStore(store: Store): Store {
  return {
    ...store,
    alerts: mortalPart(store.alerts),
    cursors: mortalPart(store.cursors),
    transaction: (work) => store.transaction((tx) => work(mortalStore(tx))),
  };
}

function mortalChannel(channel: Channel): Channel {
  return {
    ...channel,
    async send(notification, signal) {
      await step("send");
      await channel.send(notification, signal);
      await step("answered");
    },
  };
}

await using app = await openContext(configFile, { log: createLog({ level: "error", pretty: false }) });
const { context } = app;
const channels = new Map([...context.services.channels()].map(([name, channel]) => [name, mortalChannel(channel)]));
const mortal = {
  ...context,
  store: mortalStore(context.store),
  services: { ...context.services, channels: () => channels },
};
const looked: AlertMemory = {};
for (let tick = 0; tick < Number(ticks); tick++) await notifyPeople(mortal, AbortSignal.timeout(120_000), looked);
