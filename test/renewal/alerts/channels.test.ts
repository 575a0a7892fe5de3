// Which channels are sent an alert when channels come, go, refuse, forget and take acknowledgements.
import { expect, it } from "vitest";
import { testAlertRule } from "../../../src/actions/alerts.ts";
import { ALERT_RULES } from "../../../src/domain/alert.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import { MINUTE_MS } from "../../../src/domain/time.ts";
import { acknowledgeAlert } from "../../../src/renewal/operator/acknowledgeAlert.ts";
import { ALERT_RULE_TEXTS } from "../../../src/renewal/rules/alerts/catalog.ts";
import { notifyPeople } from "../../../src/renewal/watch/notify.ts";
import { AlertBench, alertCertificate } from "../../support/model/alertBench.ts";
import { NO_SIGNAL } from "../../support/model/workbench.ts";

const WWW = alertCertificate("www");

it("an open alert that only channels which are gone were sent goes to those there are now, also in their first tick", async () => {
  await using estate = await AlertBench.open([WWW]);
  estate.channel("first");
  await estate.fail("www");
  await notifyPeople(estate.context, NO_SIGNAL);
  expect(estate.texts("first"), "its cursor begins before what this tick writes").toEqual([
    expect.stringMatching(/^opened www: renewal failed/),
  ]);
  estate.bench.channels.delete("first");
  await notifyPeople(estate.context, NO_SIGNAL);
  estate.channel("next");
  for (let tick = 0; tick < 3; tick++) await notifyPeople(estate.context, NO_SIGNAL);
  expect(estate.texts("next")).toEqual([expect.stringMatching(/^opened www: /)]);
  await estate.heal("www");
  await estate.after(0);
  await estate.after(6 * MINUTE_MS);
  expect(estate.texts("next").at(-1)).toMatch(/^resolved www: /);
});

it("a message that a receiver never takes is said on the other channels, until it takes one", async () => {
  await using estate = await AlertBench.open([WWW, alertCertificate("api", { targets: ["edge"] })]);
  let refuses = true;
  estate.channel("ops");
  estate.channel("chat", {
    async send(notification) {
      if (refuses) throw new RenewalError("notify.refused", "channel chat: chat.example.org answered 400");
      estate.sent.push({ channel: "chat", notification });
    },
  });
  await estate.after(0);
  await estate.fail("www");
  for (let tick = 0; tick < 3; tick++) await estate.after(MINUTE_MS);
  expect(estate.texts("ops")).toContain(
    "opened renewd: channel chat did not take a message, which was given up: channel chat: chat.example.org answered 400",
  );
  expect(await estate.bench.store.alerts.receipts({ limit: 9 })).toContainEqual(
    expect.objectContaining({ channel: "chat", outcome: "givenUp" }),
  );
  refuses = false;
  await estate.fail("api");
  for (let tick = 0; tick < 8; tick++) await estate.after(MINUTE_MS);
  expect(estate.texts("ops").at(-1)).toMatch(/^resolved renewd: channel chat/);
});

it("an acknowledgement goes to people and to pagers that take one, not to services that would open an alert", async () => {
  await using estate = await AlertBench.open([WWW]);
  estate.channel("ops");
  estate.channel("pager", { keepsAlerts: true, takesAcknowledgements: true });
  estate.channel("monitor", { keepsAlerts: true });
  await estate.after(0);
  await estate.fail("www");
  await estate.after(0);
  const [{ id = "" } = {}] = await estate.bench.store.alerts.open();
  const of = { alert: id, acknowledgements: null, by: "alice", reason: "on it", at: estate.bench.now } as const;
  const twice = [1, 2].map(() => acknowledgeAlert(estate.context, { ...of, via: "terminal" }));
  await Promise.all(twice);
  await estate.after(0);
  const last = (name: string) => estate.sent.findLast(({ channel }) => channel === name)?.notification.event;
  expect(["ops", "pager", "monitor"].map(last)).toEqual(["alert.acknowledged", "alert.acknowledged", "alert.opened"]);
  expect(estate.sent.filter(({ notification }) => notification.event === "alert.acknowledged")).toHaveLength(2);
});

it("a channel that forgets is sent open alerts again as it knew them, and none that is over", async () => {
  await using estate = await AlertBench.open([WWW]);
  let monotonic = 0;
  const clock = { ...estate.context.clock, monotonic: () => monotonic };
  const tick = async (): Promise<void> => {
    monotonic += MINUTE_MS;
    estate.bench.now += MINUTE_MS;
    await notifyPeople({ ...estate.context, clock }, NO_SIGNAL);
  };
  estate.channel("monitor", { keepsAlerts: true, repeatMs: 5 * MINUTE_MS });
  await tick();
  await estate.fail("www");
  for (let minute = 0; minute < 10; minute++) await tick();
  const sent = estate.sent.map(({ notification }) => notification);
  expect(sent.length, "at once, and every five minutes").toBe(3);
  const identity = ({ alert, at, severity, resolves, message }: (typeof sent)[number]) => ({
    ...{ alert, at, severity, resolves, message },
  });
  expect(sent.map(identity)).toEqual([0, 1, 2].map(() => sent[0] && identity(sent[0])));
  await estate.heal("www");
  for (let minute = 0; minute < 14; minute++) await tick();
  expect(estate.texts().slice(-2)).toEqual([
    expect.stringContaining("opened www"),
    expect.stringContaining("resolved www"),
  ]);
});

it("every rule can be tested: it looks as severe as its alert, and leaves none open where they stay open", async () => {
  await using estate = await AlertBench.open([WWW]);
  estate.channel("ops");
  estate.channel("pager", { keepsAlerts: true });
  for (const rule of ALERT_RULES) {
    estate.sent.length = 0;
    const { channels } = await testAlertRule({ renewal: estate.context }, rule);
    expect(channels.map(({ channel, sent }) => `${channel} ${sent}`)).toEqual(["ops true", "pager true"]);
    const [chat, opened, ended] = estate.sent.map(({ notification }) => notification);
    const { severity } = ALERT_RULE_TEXTS[rule];
    const about = { severity, message: expect.stringContaining(`[test] renewd: a test of rule ${rule}`) };
    expect(chat).toMatchObject({ ...about, resolves: false });
    expect(opened).toMatchObject({ ...about, resolves: false });
    expect(ended).toMatchObject({ alert: opened?.alert, resolves: true, severityBefore: severity });
    expect(estate.sent).toHaveLength(3);
  }
});
