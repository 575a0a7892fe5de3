// The history as outbox: what is told, to whom, once it can be.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type App, openContext } from "../../../src/compose/index.ts";
import type { EventDetail, EventType } from "../../../src/domain/event.ts";
import { createLog } from "../../../src/log.ts";
import { deliverNotifications } from "../../../src/renewal/watch/notify.ts";
import { DAY_MS } from "../../support/model/facts.ts";
import { type Hook, startHook } from "../../support/system/hook.ts";
import { configText, createInstallation, type Installation } from "../../support/system/installation.ts";

const NEVER = new AbortController().signal;
let installation: Installation;
let app: App;
let ops: Hook;
let pager: Hook;

beforeAll(async () => {
  installation = await createInstallation(configText(["www"]));
});
afterAll(() => installation[Symbol.asyncDispose]());
beforeEach(async () => {
  [ops, pager] = await Promise.all([startHook(), startHook()]);
  const at = (name: string): string => join(installation.directory, name);
  await Promise.all([writeFile(at("ops.url"), ops.url), writeFile(at("pager.url"), `${pager.url}\n`)]);
  const notifications = {
    ops: { type: "webhook", url: "file:ops.url" },
    pager: { type: "webhook", from: "page", url: "file:pager.url" },
  };
  await writeFile(installation.configFile, JSON.stringify({ ...JSON.parse(configText(["www"])), notifications }));
  app = await openContext(installation.configFile, { log: createLog({ level: "error", pretty: false }) });
  await app.store.cursors.retain([]);
  await deliverNotifications(app.context, NEVER);
});
afterEach(async () => {
  await app.close();
  await Promise.all([ops[Symbol.asyncDispose](), pager[Symbol.asyncDispose]()]);
});

const happens = (type: EventType, detail: EventDetail, at = Date.now()): Promise<void> =>
  app.store.events.append({ at, type, certificate: "www", renewalId: "r-1", target: null, detail });
/** The severities decide which channels the engine names. */
const failed = (detail: EventDetail, at = Date.now()): Promise<void> => {
  const channels = detail.severity === "page" ? ["ops", "pager"] : ["ops"];
  const alert = { alert: "0badcafe", severity: "warning", message: "www: renewal failed: no socket", firstBadAt: at };
  return happens("alert.opened", { ...alert, channels, ...detail }, at);
};
const told = ({ taken }: Hook): unknown[] => taken.map(({ severity, message }) => [severity, message]);

describe("telling people", () => {
  test("begins with what happens after a channel was added", async () => {
    expect(await deliverNotifications(app.context, NEVER)).toBe(0);
    expect(ops.requests()).toBe(0);
  });

  test("tells each channel what is severe enough for it, in order and once", async () => {
    await failed({});
    await failed({ severity: "page", message: "www: renewal held: wave 1 of 2: endpoint stale" });
    await happens("deploy.succeeded", {});
    await happens("renewal.succeeded", { generation: 3 });
    expect(await deliverNotifications(app.context, NEVER)).toBe(3);
    expect(await deliverNotifications(app.context, NEVER)).toBe(0);
    expect(told(ops)).toEqual([
      ["warning", "www: renewal failed: no socket"],
      ["page", "www: renewal held: wave 1 of 2: endpoint stale"],
    ]);
    expect(told(pager)).toEqual([["page", "www: renewal held: wave 1 of 2: endpoint stale"]]);
  });

  test("keeps what a channel cannot take, backs off, says so in status, and catches up", async () => {
    pager.answer = 500;
    await failed({ severity: "page" });
    await deliverNotifications(app.context, NEVER);
    expect([ops.taken.length, pager.taken.length]).toEqual([1, 0]);
    const status = await installation.run("status");
    expect(status.code).toBe(1);
    expect(status.stdout).toContain("channel pager has failed 1 time in a row");
    pager.answer = 200;
    await deliverNotifications(app.context, NEVER);
    // It backs off; once that is over, nothing was lost.
    expect(pager.requests()).toBe(1);
    const [cursor] = (await app.store.cursors.list()).filter(({ channel }) => channel === "pager");
    const later = { ...app.context, clock: { ...app.context.clock, now: () => cursor?.nextAttemptAt ?? 0 } };
    await deliverNotifications(later, NEVER);
    expect(told(pager)).toEqual([["page", "www: renewal failed: no socket"]]);
    expect((await installation.run("status")).stdout).not.toContain("channel pager has failed");
  });

  /** As after the end of its back-off. */
  const deliverLater = async (): Promise<void> => {
    const [cursor] = (await app.store.cursors.list()).filter(({ channel }) => channel === "pager");
    const now = (): number => Math.max(Date.now(), cursor?.nextAttemptAt ?? 0);
    await deliverNotifications({ ...app.context, clock: { ...app.context.clock, now } }, NEVER);
  };

  test("a notification that is refused does not block the others", async () => {
    pager.answer = 400;
    await failed({ severity: "page", message: "first" });
    await deliverNotifications(app.context, NEVER);
    pager.answer = 200;
    await failed({ severity: "page", message: "www: now" });
    await deliverNotifications(app.context, NEVER);
    expect(told(pager)).toEqual([["page", "www: now"]]);
  });

  test("nothing is given up while the channel is away, however long; then everything comes, in order", async () => {
    pager.answer = 500;
    for (const days of [3, 2])
      await failed({ severity: "page", message: `${days} days ago` }, Date.now() - days * DAY_MS);
    await deliverNotifications(app.context, NEVER);
    await failed({ severity: "page", message: "www: now" });
    await deliverLater();
    pager.answer = 200;
    await deliverLater();
    expect(told(pager)).toEqual(["3 days ago", "2 days ago", "www: now"].map((message) => ["page", message]));
  });

  test("one that fails for a day is given up once another gets through", async () => {
    pager.refuses = "poison";
    await failed({ severity: "page", message: "poison" }, Date.now() - 2 * DAY_MS);
    await deliverNotifications(app.context, NEVER);
    await failed({ severity: "page", message: "www: now" });
    await deliverLater();
    await failed({ severity: "page", message: "www: later" });
    await deliverNotifications(app.context, NEVER);
    expect(told(pager)).toEqual(["www: now", "www: later"].map((message) => ["page", message]));
    expect(await app.store.alerts.receipts({ limit: 9 })).toContainEqual(
      expect.objectContaining({ channel: "pager", outcome: "givenUp" }),
    );
  });

  test("nothing is given up while the channel takes long to fail, however much waits behind it", async () => {
    pager.answer = 500;
    const at = Date.now() - 2 * DAY_MS;
    await app.store.transaction(async ({ events }) => {
      const detail = {
        alert: "0badcafe",
        severity: "page",
        message: "www: waits",
        firstBadAt: at,
        channels: ["pager"],
      };
      const event = { at, type: "alert.opened", certificate: "www", renewalId: null, target: null, detail } as const;
      for (let n = 0; n < 501; n += 1) await events.append(event);
    });
    // The first one took as long as a tick has for all.
    const monotonic = (): number => (pager.requests() === 0 ? 0 : 40_000);
    await deliverNotifications({ ...app.context, clock: { ...app.context.clock, monotonic } }, NEVER);
    expect(await app.store.cursors.list()).toContainEqual(expect.objectContaining({ channel: "pager", failures: 1 }));
  });

  test("tells once, however many planners do it at the same time", async () => {
    for (let n = 0; n < 5; n += 1) await failed({ message: `www: number ${n}` });
    await Promise.all(Array.from({ length: 4 }, () => deliverNotifications(app.context, NEVER)));
    await deliverNotifications(app.context, NEVER);
    expect(told(ops)).toEqual(Array.from({ length: 5 }, (_, n) => ["warning", `www: number ${n}`]));
  });
});

describe("renewd notify", () => {
  test("tries every channel, or the named one, and says which are broken", async () => {
    ops.answer = 500;
    const all = await installation.run("notify");
    expect(all.code).toBe(1);
    expect(all.stdout).toMatch(/ops +failed +channel ops: 127\.0\.0\.1:\d+ answered 500/);
    expect(all.stdout).toMatch(/pager +sent/);
    expect((await installation.run("notify", "pager")).code).toBe(0);
    expect(pager.taken.at(-1)).toMatchObject({ event: "test", message: "renewd: a test message by channel pager" });
    expect(await installation.run("notify", "nobody")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('channel "nobody" is not configured'),
    });
  });
});
