// No alert lost or doubled: processes that die at any step, restarts, and a channel that is away for an hour.
import { isDeepStrictEqual } from "node:util";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { Notification } from "../../../src/domain/notification.ts";
import type { Store } from "../../../src/domain/store.ts";
import { MINUTE_MS } from "../../../src/domain/time.ts";
import type { AlertMemory } from "../../../src/renewal/watch/alerts.ts";
import { notifyPeople } from "../../../src/renewal/watch/notify.ts";
import { AlertBench, alertCertificate } from "./alertBench.ts";
import { seeded } from "./random.ts";
import { NO_SIGNAL } from "./workbench.ts";

/** So many calls to the store does a tick make that writes an alert and sends it by both channels, about. */
const STEPS_MAX = 24;

class Killed extends Error {}

/**
 * Three causes come and go while the processes that tell of them die 20 times and one channel is away for an hour.
 * Returns what was lost or doubled; empty: nothing.
 */
export async function lostOrDoubledAlerts(seed: number): Promise<string[]> {
  const random = seeded(seed);
  const names = ["a", "b", "c"];
  await using estate = await AlertBench.open(
    names.map((name) => alertCertificate(name, { targets: [`t-${name}`] })),
    { resolveAfterMs: MINUTE_MS },
  );
  const { bench } = estate;
  const received = new Map<string, Notification>();
  const twice: string[] = [];
  /** Channel and number of each message whose receipt is stored. */
  const noted = new Set<string>();
  const resent: string[] = [];
  let isAway = false;
  let deaths = 0;
  let stepsLeft = Number.POSITIVE_INFINITY;
  /** kill -9 before any write, and between a receiver's answer and its record. */
  const step = (): void => {
    stepsLeft -= 1;
    if (stepsLeft < 0) throw new Killed();
  };
  for (const name of ["ops", "pager"])
    bench.channels.set(name, {
      ...{ from: "warning", keepsAlerts: name === "pager" },
      async send(notification) {
        if (isAway && name === "pager") throw new RenewalError("notify.failed", "channel pager: away");
        const key = `${name} ${notification.id}`;
        if (noted.has(`${name} ${notification.id.split("-")[0]}`)) resent.push(key);
        // Receivers keep one of each id: that of a process killed before it could note the answer comes again.
        if (received.has(key)) twice.push(key);
        received.set(key, notification);
      },
    });
  const alerts: Store["alerts"] = {
    ...bench.store.alerts,
    async record(receipt) {
      await bench.store.alerts.record(receipt);
      noted.add(`${receipt.channel} ${receipt.seq}`);
    },
  };
  const dying: Store = mortal({ ...bench.store, alerts }, step);
  const context = { ...estate.context, store: dying };
  /** One process: works until it is killed; the next one takes over after its lease. */
  const run = async (ticks: number): Promise<void> => {
    let looked: AlertMemory = {};
    for (let tick = 0; tick < ticks; tick++) {
      stepsLeft = deaths < 20 && random.chance(0.5) ? random.below(STEPS_MAX) : Number.POSITIVE_INFINITY;
      try {
        await notifyPeople(context, NO_SIGNAL, looked);
      } catch (thrown) {
        if (!(thrown instanceof Killed)) throw thrown;
      }
      if (stepsLeft < 0) {
        deaths += 1;
        looked = {};
        bench.now += 3 * MINUTE_MS;
      }
      bench.now += 2 * MINUTE_MS;
    }
  };
  await bench.store.certificates.sync(bench.certificates, bench.now);
  await notifyPeople(estate.context, NO_SIGNAL);
  for (const [i, name] of names.entries()) {
    isAway = i === 1;
    await bench.store.certificates.update(name, {
      failures: 1,
      lastErrorCode: "acme.server",
      lastErrorMessage: name,
    });
    const of = { certificate: name, renewalId: null, target: null };
    await bench.store.events.append({
      at: bench.now,
      type: "renewal.failed",
      ...of,
      detail: { code: "acme.server" },
    });
    await run(isAway ? 30 : 8);
    await bench.store.certificates.update(name, { failures: 0, lastErrorCode: null, lastErrorMessage: null });
    await bench.store.events.append({ at: bench.now, type: "renewal.cancelled", ...of, detail: {} });
    isAway = false;
    await run(14);
  }
  deaths = 20;
  await run(12);
  const problems: string[] = [];
  const wanted = names.flatMap((name) => [`alert.opened ${name}`, `alert.resolved ${name}`]).toSorted();
  for (const channel of ["ops", "pager"]) {
    const own = [...received].filter(([key]) => key.startsWith(`${channel} `)).map(([, each]) => each);
    const about = own.filter(({ message }) => /^[abc]: /.test(message));
    const spoken = about.map(({ event, certificate }) => `${event} ${certificate}`).toSorted();
    if (!isDeepStrictEqual(spoken, wanted)) problems.push(`seed ${seed}, ${channel}: got ${spoken.join(", ")}`);
    for (const name of names) {
      const [opened, resolved] = about.filter(({ certificate }) => certificate === name);
      if (resolved?.alert !== opened?.alert || resolved?.resolves !== true)
        problems.push(`seed ${seed}, ${channel}: the end of ${name} does not end its alert`);
    }
  }
  if (resent.length > 0) problems.push(`seed ${seed}: sent again after its receipt was stored: ${resent.join(", ")}`);
  // Only by a death in the moment between a receiver's answer and its record.
  if (twice.length > 20) problems.push(`seed ${seed}: ${twice.length} messages came again under their id`);
  return problems;
}

/** Calls `step` before every write, also inside transactions, which a death undoes. */
function mortal(store: Store, step: () => void): Store {
  const guard = <T extends object>(part: T): T =>
    new Proxy(part, {
      get(target, name, receiver) {
        const value: unknown = Reflect.get(target, name, receiver);
        if (typeof value !== "function" || name === "sign") return value;
        return (...args: unknown[]) => {
          step();
          return Reflect.apply(value, target, args);
        };
      },
    });
  return {
    ...store,
    alerts: guard(store.alerts),
    cursors: guard(store.cursors),
    transaction: (work) => store.transaction((tx) => work(mortal(tx, step))),
  };
}
