import { describe, expect, it } from "vitest";
import { asksForSomebody, renderAlerts } from "../../../src/cli/render/alerts.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../../src/domain/time.ts";
import { acknowledgeAlert } from "../../../src/renewal/operator/acknowledgeAlert.ts";
import { escalationStep } from "../../../src/renewal/rules/alerts/escalation.ts";
import { DEFAULT_ALERTS } from "../../../src/renewal/rules/alerts/settings.ts";
import { alertsReport } from "../../../src/reports/alerts.ts";
import { AlertBench, alertCertificate } from "../../support/model/alertBench.ts";
import { heartbeat } from "../../support/model/facts.ts";

const WWW = alertCertificate("www");

/** One certificate was renewed; then its target breaks and its pair must be issued again. */
async function broken(settings: Parameters<typeof AlertBench.open>[1] = {}, channels = ["ops"]): Promise<AlertBench> {
  const estate = await AlertBench.open([WWW], settings);
  for (const name of channels) estate.channel(name);
  await estate.after(0);
  await estate.fail("www");
  return estate;
}

async function repaired(estate: AlertBench): Promise<void> {
  estate.bench.now += DAY_MS;
  await estate.heal(...estate.bench.certificates.map(({ name }) => name));
}

/** The one alert, as `renewd alerts` shows it. */
async function listed({ bench, context }: AlertBench) {
  const source = { store: bench.store, channels: bench.channels, peers: [], responsibilityOf: () => null };
  const report = await alertsReport(
    { ...source, settings: context.settings.alerts },
    { all: false, alert: null },
    bench.now,
  );
  const [entry] = report.alerts;
  if (entry === undefined) throw new Error("no alert is open");
  return {
    ...entry,
    isAsking: asksForSomebody({ ...entry, severity: "page" }),
    text: renderAlerts(report, { width: 100, colours: false }),
  };
}

describe("hysteresis", () => {
  it("a cause that is gone before `openAfter` notifies nobody, one that lasts notifies once", async () => {
    await using estate = await broken({ openAfterMs: 2 * DAY_MS });
    await estate.after(MINUTE_MS);
    await repaired(estate);
    await estate.after(3 * DAY_MS);
    expect(estate.texts()).toEqual([]);
    expect(await estate.bench.store.alerts.open()).toEqual([]);
  });

  it("is over only after `resolveAfter`, and says how long it lasted; one that comes back meanwhile says nothing", async () => {
    await using estate = await broken({ resolveAfterMs: HOUR_MS });
    await estate.after(MINUTE_MS);
    expect(await listed(estate)).toMatchObject({ gone: null, isAsking: true });
    await repaired(estate);
    await estate.after(30 * MINUTE_MS);
    expect(estate.texts()).toHaveLength(1);
    // Whoever looks now reads neither that it is there, nor what to do about it.
    const since = new Date(estate.bench.now).toISOString();
    const overAt = new Date(estate.bench.now + HOUR_MS).toISOString();
    const { text, ...entry } = await listed(estate);
    expect(entry).toMatchObject({ gone: { since, overAt }, waits: null, next: null, isAsking: false });
    expect(text).toMatch(/^ {2}gone {9}since \S+ \S+: over in 1 h, unless it comes back$/m);
    expect(text).not.toContain("what to do");
    await estate.after(HOUR_MS);
    expect(estate.texts()[1]).toMatch(/^resolved www: renewal failed: .* \[over after 1 d 1 h\]$/);
    expect(estate.sent[1]?.notification.alert).toBe(estate.sent[0]?.notification.alert);
  });
});

it("says so when no planner runs, which alone judges and notifies", async () => {
  await using estate = await broken();
  await estate.after(MINUTE_MS);
  const { store } = estate.bench;
  const left = heartbeat({ process: "a/1", role: "planner", beatAt: estate.bench.now - HOUR_MS });
  await store.health.beat([left, heartbeat({ process: "a/2", role: "web", beatAt: estate.bench.now })]);
  expect((await listed(estate)).text).toMatch(/^no planner runs, .*nobody is notified: see `renewd status`$/m);
  await store.health.beat([heartbeat({ process: "a/3", role: "planner", beatAt: estate.bench.now })]);
  expect((await listed(estate)).text).not.toContain("no planner runs");
});

describe("what changed", () => {
  it("is said with the alert: the reload, the target's definition, renewd's version", async () => {
    await using estate = await AlertBench.open([WWW]);
    estate.channel("ops");
    await estate.after(0);
    const { bench } = estate;
    bench.certificates = [{ ...WWW, targetDigests: { lb: "2" }, digest: "digest-2" }];
    Object.assign(estate.context.settings.alerts, { version: "9.9.9" });
    const of = { certificate: null, renewalId: null, target: null };
    await bench.store.events.append({ at: bench.now, type: "config.reloaded", ...of, detail: { file: "renewd.yaml" } });
    await estate.after(0);
    estate.broken.set("target lb", "deploy.unreachable");
    bench.now += 4 * MINUTE_MS;
    await estate.renew();
    await estate.after(0);
    const [message] = estate.sent;
    const changed = new Map(message?.notification.more).get("Changed before") ?? "";
    expect(changed).toMatch(/the definition of target lb changed \(.*, 4 min before\)/);
    expect(changed).toMatch(/the configuration was reloaded \(.*, 4 min before\)/);
    expect(changed).toMatch(/renewd went from version .* to 9\.9\.9/);
  });
});

describe("thresholds", () => {
  it("each is a message, and the last one goes through quiet hours and past an acknowledgement", async () => {
    await using estate = await AlertBench.open([WWW], {
      thresholds: { lifeLeft: [0.2, 0.1, 0.03], attemptsLeft: [] },
      // All day long, and pages too.
      quietHours: { fromMinute: 0, untilMinute: 1_440, timeZone: "Europe/Berlin", holds: "page" },
    });
    estate.channel("ops");
    await estate.after(0);
    await estate.renew();
    const { bench, broken: faults } = estate;
    faults.set("issuer ca", "acme.server");
    bench.now += 73 * DAY_MS;
    await estate.renew();
    await estate.after(0);
    bench.now += 9 * DAY_MS;
    await estate.renew();
    await estate.after(0);
    expect(estate.texts(), "it waits").toEqual([]);
    bench.now += 6 * DAY_MS;
    await estate.after(MINUTE_MS);
    expect(estate.texts()).toEqual([expect.stringMatching(/^opened www: .*2 % of its life and .* attempts left\)$/)]);
    expect(estate.sent[0]?.notification.severity).toBe("page");
    bench.now += 2 * DAY_MS;
    await estate.after(MINUTE_MS);
    expect(estate.texts()[1], "it has expired").toMatch(/^raised www: .* \[last threshold\]$/);
  });

  it("quiet hours follow the clock of their time zone, and what waited is sent at their end", async () => {
    const quietHours = {
      fromMinute: 22 * 60,
      untilMinute: 7 * 60,
      timeZone: "Europe/Berlin",
      holds: "warning",
    } as const;
    await using estate = await broken({ quietHours });
    // 1 January, 00:00 UTC, which is 01:00 in Berlin.
    await estate.after(5 * HOUR_MS + 59 * MINUTE_MS);
    expect(estate.texts()).toEqual([]);
    await estate.after(MINUTE_MS);
    expect(estate.texts()).toEqual([expect.stringContaining("opened www")]);
  });
});

describe("a storm", () => {
  it("is one digest beyond the first alerts, and one message when all of it is over", async () => {
    const names = Array.from({ length: 6 }, (_, i) => `c${i}`);
    const storm = { alertsMax: 2, windowMs: 10 * MINUTE_MS };
    await using estate = await AlertBench.open(
      names.map((name) => alertCertificate(name, { targets: [`t-${name}`] })),
      { storm, webUrl: "https://renewd.example.org" },
    );
    estate.channel("ops");
    await estate.after(0);
    await estate.fail(...names);
    await estate.after(MINUTE_MS);
    expect(estate.texts()).toEqual([
      expect.stringContaining("opened c"),
      expect.stringContaining("opened c"),
      expect.stringMatching(/^digest renewd: 4 more alerts: .*\(.*\).*|^digest renewd: 4 more alerts: /),
    ]);
    const [digest] = estate.sent.slice(-1);
    expect(digest?.notification.action).toContain("See https://renewd.example.org/alerts or `renewd alerts`");
    await repaired(estate);
    await estate.after(0);
    await estate.after(HOUR_MS);
    expect(estate.texts().slice(3)).toEqual([
      expect.stringContaining("resolved c"),
      expect.stringContaining("resolved c"),
      "digest renewd: the alerts of the last digest are over",
    ]);
  });
});

describe("escalation", () => {
  const escalation = [
    { afterMs: 15 * MINUTE_MS, channels: ["pager"], from: "warning" },
    { afterMs: HOUR_MS, channels: ["boss"], from: "warning" },
  ] as const;

  it("goes to the next channel step by step, and each that was notified is told of the end", async () => {
    await using estate = await broken({ escalation });
    for (const name of ["pager", "boss"]) estate.channel(name, { from: "page" });
    await estate.after(0);
    await estate.after(14 * MINUTE_MS);
    expect(estate.texts("pager")).toEqual([]);
    await estate.after(MINUTE_MS);
    expect(estate.texts("pager")[0]).toMatch(/\[step 1: nobody has acknowledged it for 15 min\]$/);
    await estate.after(45 * MINUTE_MS);
    expect(estate.texts("boss")[0]).toMatch(/\[step 2: nobody has acknowledged it for 1 h\]$/);
    await repaired(estate);
    await estate.after(0);
    await estate.after(HOUR_MS);
    for (const name of ["ops", "pager", "boss"]) expect(estate.texts(name).at(-1)).toMatch(/^resolved /);
  });
});

describe("escalation that begins again", () => {
  it("goes on until somebody acknowledges", async () => {
    const escalation = [
      { afterMs: 15 * MINUTE_MS, channels: ["pager"], from: "warning" },
      { afterMs: HOUR_MS, channels: ["boss"], from: "page" },
    ] as const;
    const settings = { ...DEFAULT_ALERTS, escalation, escalateAgainMs: HOUR_MS };
    const afterMs = [0, 1, 2, 3, 4].map((taken) => escalationStep(settings, taken)?.afterMs);
    expect(afterMs).toEqual([15, 60, 135, 180, 255].map((minutes) => minutes * MINUTE_MS));
    expect(escalationStep({ ...settings, escalateAgainMs: null }, 2)).toBeNull();
    expect(escalationStep({ ...settings, escalation: [] }, 0)).toBeNull();
    await using estate = await broken({ escalation: escalation.slice(0, 1), escalateAgainMs: HOUR_MS });
    estate.channel("pager", { from: "page" });
    for (let minutes = 0; minutes < 195; minutes += 15) await estate.after(15 * MINUTE_MS);
    expect(estate.texts("pager")).toEqual([1, 2, 3].map((step) => expect.stringContaining(`[step ${step}: `)));
    const [{ id = "" } = {}] = await estate.bench.store.alerts.open();
    const of = { alert: id, acknowledgements: null, by: "alice", reason: "on it", at: estate.bench.now } as const;
    await acknowledgeAlert(estate.context, { ...of, via: "terminal" });
    await estate.after(3 * HOUR_MS);
    expect(estate.texts("pager").slice(3)).toEqual([expect.stringContaining("acknowledged by alice")]);
  });
});

describe("a channel that fails", () => {
  it("is told on the others, changes no renewal, and its own messages come when it is back", async () => {
    await using estate = await AlertBench.open([WWW]);
    for (const name of ["ops", "mail"]) estate.channel(name);
    await estate.after(0);
    estate.broken.set("target lb", "deploy.unreachable");
    await estate.renew();
    estate.down.add("mail");
    await estate.after(0);
    for (let tick = 0; tick < 8; tick++) await estate.after(10 * MINUTE_MS);
    expect(estate.texts("mail")).toEqual([]);
    expect(estate.texts("ops")).toContainEqual(
      expect.stringMatching(/^opened renewd: channel mail has failed \d+ times/),
    );
    estate.broken.clear();
    estate.bench.now += DAY_MS;
    await estate.renew();
    expect((await estate.bench.renewal("www")).state).toBe("succeeded");
    estate.down.clear();
    await estate.after(10 * MINUTE_MS);
    expect(estate.texts("mail")[0]).toMatch(/^opened www: renewal failed/);
    for (let tick = 0; tick < 2; tick++) await estate.after(10 * MINUTE_MS);
    expect(estate.texts("ops")).toContainEqual(expect.stringMatching(/^resolved renewd: channel mail/));
  });
});

describe("routes", () => {
  it("send an alert to the channels of every route that fits, and what fits none to all", async () => {
    const none = { severity: null, certificates: [], issuers: [], targets: [], teams: [], labels: {} };
    const routes = [
      { ...none, certificates: ["shop-*"], channels: ["shop"] },
      { ...none, targets: ["lb"], severity: "page", channels: ["boss"] } as const,
    ];
    await using estate = await AlertBench.open(
      [alertCertificate("shop-1", { targets: ["edge"] }), alertCertificate("www")],
      { routes },
    );
    for (const name of ["ops", "shop", "boss"]) estate.channel(name);
    await estate.after(0);
    estate.broken.set("target lb", "config.secret");
    await estate.fail("shop-1", "www");
    await estate.after(0);
    const got = Object.fromEntries(["ops", "shop", "boss"].map((name) => [name, estate.texts(name).length]));
    expect(got).toEqual({ ops: 0, shop: 1, boss: 1 });
  });
});
