// What each service is sent, checked against the limits and members that its vendor documents.
import { createHmac } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import type { Notification } from "../../src/domain/notification.ts";
import { Secret } from "../../src/domain/secret.ts";
import { DAY_MS } from "../../src/domain/time.ts";
import { CHANNELS } from "../support/plugins.ts";
import { type Receiver, startReceiver } from "../support/system/receiver.ts";
import { RESPONSIBILITY } from "./responsibility.ts";

const NEVER = new AbortController().signal;
const PAGE: Notification = {
  id: "42",
  at: Date.UTC(2026, 0, 2),
  severity: "page",
  event: "renewal.failed",
  certificate: "www",
  renewalId: "0123456789abcdef",
  target: "edge",
  message: "www: renewal failed: no",
  action: "Fix it.",
  alert: "certificate/www",
  responsibility: RESPONSIBILITY,
  resolves: false,
};
const OVER: Notification = {
  ...PAGE,
  id: "43",
  severity: "info",
  event: "renewal.succeeded",
  resolves: true,
  action: null,
};
const TOKENS: Readonly<Record<string, string>> = {
  TELEGRAM: "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
  KEY: "k3y-s3cr3t",
  TOPIC: "renewd-topic",
  SIGNING: `whsec_${Buffer.alloc(32, 7).toString("base64")}`,
};

let receiver: Receiver;
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(() => receiver[Symbol.asyncDispose]());

const OPTIONS: Readonly<Record<string, (url: string) => object>> = {
  slack: () => ({ url: "env:URL" }),
  teams: () => ({ url: "env:URL" }),
  discord: () => ({ url: "env:URL" }),
  apprise: () => ({ url: "env:URL", tag: "ops" }),
  webhook: () => ({ url: "env:URL", signing: "env:SIGNING" }),
  telegram: (api) => ({ token: "env:TELEGRAM", chat: "-1001234567890", api }),
  ntfy: (url) => ({ url, topic: "env:TOPIC", token: "env:KEY" }),
  pagerduty: (api) => ({ routingKey: "env:KEY", api }),
  alertmanager: (url) => ({ url, token: "env:KEY", labels: { team: "web" } }),
  jsm: (api) => ({ apiKey: "env:KEY", api }),
};

async function send(type: string, notification: Notification): Promise<void> {
  const plugin = CHANNELS.find((each) => each.type === type);
  const secrets: Readonly<Record<string, string>> = { ...TOKENS, URL: `${receiver.url}/hook/s3cr3t` };
  const options = plugin?.options.parse(OPTIONS[type]?.(receiver.url));
  await plugin?.create(options, { channel: "ops", secret: async ({ at }) => new Secret(secrets[at] ?? "") })(
    notification,
    NEVER,
  );
}

const last = () => {
  const found = receiver.received.at(-1);
  if (found === undefined) throw new Error("nothing was received");
  return found;
};

/** Members and limits as each vendor documents them, and none beside them. */
const CONTRACTS: Readonly<Record<string, z.ZodType>> = {
  slack: z.strictObject({
    text: z.string().min(1),
    unfurl_links: z.boolean(),
    unfurl_media: z.boolean(),
    blocks: z
      .array(
        z.discriminatedUnion("type", [
          z.strictObject({
            type: z.literal("section"),
            text: z.strictObject({ type: z.literal("mrkdwn"), text: z.string().min(1).max(3_000) }),
          }),
          z.strictObject({
            type: z.literal("context"),
            elements: z
              .array(z.strictObject({ type: z.literal("mrkdwn"), text: z.string().min(1) }))
              .min(1)
              .max(10),
          }),
        ]),
      )
      .min(1)
      .max(50),
  }),
  teams: z.strictObject({
    type: z.literal("message"),
    attachments: z.tuple([
      z.strictObject({
        contentType: z.literal("application/vnd.microsoft.card.adaptive"),
        contentUrl: z.null(),
        content: z.strictObject({
          $schema: z.url(),
          type: z.literal("AdaptiveCard"),
          version: z.literal("1.4"),
          msteams: z.strictObject({ width: z.literal("Full") }),
          body: z.array(
            z.discriminatedUnion("type", [
              z.strictObject({
                type: z.literal("TextBlock"),
                text: z.string().min(1),
                wrap: z.literal(true),
                weight: z.literal("bolder").optional(),
                color: z.enum(["attention", "warning", "default", "good"]).optional(),
              }),
              z.strictObject({
                type: z.literal("FactSet"),
                facts: z.array(z.strictObject({ title: z.string(), value: z.string() })),
              }),
            ]),
          ),
          actions: z
            .tuple([z.strictObject({ type: z.literal("Action.OpenUrl"), title: z.string(), url: z.url() })])
            .optional(),
        }),
      }),
    ]),
  }),
  discord: z.strictObject({
    allowed_mentions: z.strictObject({ parse: z.tuple([]) }),
    embeds: z
      .array(
        z.strictObject({
          title: z.string().max(256),
          description: z.string().max(4_096),
          color: z.int().max(0xffffff),
          timestamp: z.iso.datetime(),
          fields: z
            .array(
              z.strictObject({
                name: z.string().min(1).max(256),
                value: z.string().min(1).max(1_024),
                inline: z.boolean(),
              }),
            )
            .max(25),
        }),
      )
      .max(10),
  }),
  telegram: z.strictObject({
    chat_id: z.string(),
    text: z.string().min(1).max(4_096),
    link_preview_options: z.strictObject({ is_disabled: z.literal(true) }),
  }),
  ntfy: z.strictObject({
    topic: z.string().regex(/^[-_A-Za-z0-9]{1,64}$/),
    title: z.string(),
    message: z.string().max(4_096),
    priority: z.int().min(1).max(5),
    tags: z.array(z.string()),
    actions: z.tuple([z.strictObject({ action: z.literal("view"), label: z.string(), url: z.url() })]).optional(),
  }),
  apprise: z.strictObject({
    title: z.string(),
    body: z.string().min(1),
    type: z.enum(["info", "success", "warning", "failure"]),
    format: z.literal("text"),
    tag: z.string(),
  }),
  pagerduty: z.discriminatedUnion("event_action", [
    z.strictObject({
      event_action: z.literal("trigger"),
      routing_key: z.string(),
      dedup_key: z.string().max(255),
      client: z.string(),
      links: z.array(z.strictObject({ href: z.url(), text: z.string() })).optional(),
      payload: z.strictObject({
        summary: z.string().min(1).max(1_024),
        source: z.string().min(1),
        severity: z.enum(["critical", "error", "warning", "info"]),
        timestamp: z.iso.datetime(),
        component: z.string(),
        class: z.string(),
        custom_details: z.record(z.string(), z.unknown()),
      }),
    }),
    z.strictObject({ event_action: z.literal("resolve"), routing_key: z.string(), dedup_key: z.string().max(255) }),
  ]),
  alertmanager: z.array(
    z.strictObject({
      labels: z.record(z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/), z.string()),
      annotations: z.record(z.string(), z.string()),
      startsAt: z.iso.datetime().optional(),
      endsAt: z.iso.datetime(),
    }),
  ),
  jsm: z.union([
    z.strictObject({
      message: z.string().min(1).max(130),
      alias: z.string().max(512),
      description: z.string().max(15_000),
      priority: z.enum(["P1", "P2", "P3", "P4", "P5"]),
      source: z.string().max(100),
      entity: z.string().max(512),
      tags: z.array(z.string().max(50)).max(20),
      details: z.record(z.string(), z.string()),
    }),
    z.strictObject({ source: z.string().max(100), note: z.string().max(25_000) }),
  ]),
  webhook: z.looseObject({ text: z.string(), alert: z.string(), resolves: z.boolean() }),
};

const TYPES = Object.keys(OPTIONS);

test("every channel that posts has a contract here", () => {
  expect(Object.keys(CONTRACTS).toSorted()).toEqual(TYPES.toSorted());
  const others = CHANNELS.map(({ type }) => type).filter((type) => !TYPES.includes(type));
  expect(others.toSorted()).toEqual(["command", "smtp"]);
});

describe.each(TYPES)("%s", (type) => {
  test.each([
    ["a page", PAGE],
    ["what is over", OVER],
    [
      "a message without certificate, renewal and advice",
      { ...PAGE, certificate: null, renewalId: null, target: null, action: null },
    ],
    ["a very long message", { ...PAGE, message: "www: ".padEnd(20_000, "long "), action: "do ".repeat(5_000) }],
  ] satisfies [string, Notification][])("is sent %s as the vendor documents it", async (_what, notification) => {
    await send(type, notification);
    expect(CONTRACTS[type]?.safeParse(last().body)).toMatchObject({ success: true });
  });

  test("is sent nothing that acts or mentions, whatever a stranger wrote", async () => {
    const message = `www: <!channel> @everyone <at>all</at> [ok](https://evil.test) *b* \u001b[31m\u202e\u009b2J\u0000\u2028\u200b\ud800\n[page] forged`;
    const action = message.replace("www: ", "");
    await send(type, { ...PAGE, message, action });
    const strings: string[] = [];
    JSON.stringify(last().body, (_name, value: unknown) => {
      if (typeof value === "string") strings.push(value);
      return value;
    });
    expect(strings.filter((text) => /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(text))).toEqual([]);
    if (type === "telegram" || type === "apprise") expect(last().text).not.toMatch(/<!channel>|@everyone|<at>|\]\(/);
    if (type === "slack") expect(last().text).not.toMatch(/<!channel>|@everyone/);
    if (type === "teams") expect(last().text).not.toMatch(/<at>|\]\(/);
    if (type === "discord") expect(last().text).not.toMatch(/[^\\]\]\(|\[ok\]/);
  });

  test("has the link to acknowledge whole and as it is, whatever the length of the rest", async () => {
    const acknowledgeUrl = `https://renewd.example.org/acknowledge?token=${"aZ_-".repeat(40)}.${"_x-9".repeat(10)}`;
    const long = { message: "www: ".padEnd(20_000, "long "), action: "do ".repeat(5_000) };
    await send(type, { ...PAGE, ...long, acknowledgeUrl });
    expect(last().text).toContain(acknowledgeUrl);
    expect(CONTRACTS[type]?.safeParse(last().body)).toMatchObject({ success: true });
  });

  test.each([
    [500, "notify.failed"],
    [403, "notify.failed"],
    [302, "notify.failed"],
    [400, "notify.refused"],
  ])("that answers %i is an error that holds no secret", async (status, code) => {
    receiver.answer = { status, headers: status === 302 ? { location: "/elsewhere" } : {} };
    const error = await send(type, PAGE).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, message: expect.stringContaining(`answered ${status}`) });
    for (const secret of ["s3cr3t", ...Object.values(TOKENS)]) expect(String(error)).not.toContain(secret);
    expect(receiver.received).toHaveLength(1);
  });

  test("that limits requests is not asked again before it says so", async () => {
    receiver.answer = { status: 429, headers: { "retry-after": "120" } };
    const before = Date.now();
    const error = await send(type, PAGE).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "notify.failed", retryAt: expect.any(Number) });
    const { retryAt } = error as { retryAt: number };
    expect(retryAt).toBeGreaterThanOrEqual(before + 119_000);
  });
});

describe("services that keep alerts", () => {
  const keeping = CHANNELS.filter(({ keepsAlerts }) => keepsAlerts).map(({ type }) => type);

  test("are those with incidents", () => {
    expect(keeping.toSorted()).toEqual(["alertmanager", "jsm", "pagerduty"]);
  });

  test("PagerDuty's incident is triggered and resolved under one key", async () => {
    await send("pagerduty", PAGE);
    expect(last()).toMatchObject({
      path: "/v2/enqueue",
      body: {
        event_action: "trigger",
        routing_key: "k3y-s3cr3t",
        dedup_key: "renewd/certificate/www",
        payload: { severity: "critical" },
      },
    });
    await send("pagerduty", OVER);
    expect(last().body).toEqual({
      event_action: "resolve",
      routing_key: "k3y-s3cr3t",
      dedup_key: "renewd/certificate/www",
    });
  });

  test("PagerDuty's incident and JSM's alert are acknowledged there too", async () => {
    const taken = { ...PAGE, severity: "info", event: "alert.acknowledged" } as const;
    await send("pagerduty", taken);
    expect(last().body).toMatchObject({ event_action: "acknowledge", dedup_key: "renewd/certificate/www" });
    await send("jsm", taken);
    expect(last().path).toBe("/v2/alerts/renewd%2Fcertificate%2Fwww/acknowledge?identifierType=alias");
  });

  test("Alertmanager's alert has a beginning and a far end, and what resolves ends it under the same labels", async () => {
    await send("alertmanager", { ...PAGE, event: "alert.opened" });
    const labels = { alertname: "Renewd", alert: "certificate/www", severity: "page", team: "web" };
    const [opened] = last().body as { labels: object; startsAt: string; endsAt: string }[];
    expect(last()).toMatchObject({ path: "/api/v2/alerts", headers: { authorization: "Bearer k3y-s3cr3t" } });
    expect(opened).toMatchObject({ labels, startsAt: "2026-01-02T00:00:00.000Z" });
    expect(Date.parse(opened?.endsAt ?? "")).toBeGreaterThan(Date.now() + 29 * DAY_MS);
    // With another certificate behind it, it is still the same alert.
    await send("alertmanager", { ...OVER, event: "alert.resolved", certificate: null });
    expect(last().body).toContainEqual(expect.objectContaining({ labels, endsAt: "2026-01-02T00:00:00.000Z" }));
  });

  test("Alertmanager's alert that becomes more severe ends the one before it, and only that", async () => {
    await send("alertmanager", { ...PAGE, event: "alert.raised", severityBefore: "warning" });
    const labels = (severity: string) => ({ alertname: "Renewd", alert: "certificate/www", severity, team: "web" });
    expect(last().body).toMatchObject([
      { labels: labels("page"), startsAt: expect.any(String) },
      { labels: labels("warning"), endsAt: "2026-01-02T00:00:00.000Z" },
    ]);
    await send("alertmanager", { ...OVER, event: "alert.resolved", severityBefore: "page" });
    expect(last().body).toMatchObject([{ labels: labels("page"), endsAt: "2026-01-02T00:00:00.000Z" }]);
    expect(last().body).toHaveLength(1);
  });

  test("Alertmanager is asked, and told of no alert, by a success and by a test of the channel", async () => {
    await send("alertmanager", OVER);
    await send("alertmanager", { ...OVER, event: "test", alert: "test" });
    expect(receiver.received.map(({ path, body }) => [path, body])).toEqual([
      ["/api/v2/alerts", []],
      ["/api/v2/alerts", []],
    ]);
  });

  test("JSM's alert is closed by its alias, and none that is open is no fault", async () => {
    await send("jsm", PAGE);
    expect(last()).toMatchObject({
      path: "/v2/alerts",
      headers: { authorization: "GenieKey k3y-s3cr3t" },
      body: { alias: "renewd/certificate/www", priority: "P1" },
    });
    receiver.answer = { status: 404 };
    await send("jsm", OVER);
    expect(last().path).toBe("/v2/alerts/renewd%2Fcertificate%2Fwww/close?identifierType=alias");
  });
});

test("a webhook's signature is the one of Standard Webhooks", async () => {
  await send("webhook", PAGE);
  const { headers, text } = last();
  const signed = `renewd-42.${headers["webhook-timestamp"]}.${text}`;
  const mac = createHmac("sha256", Buffer.alloc(32, 7)).update(signed).digest("base64");
  expect(headers["webhook-signature"]).toBe(`v1,${mac}`);
  expect(headers["webhook-id"]).toBe("renewd-42");
  expect(Math.abs(Number(headers["webhook-timestamp"]) - Date.now() / 1_000)).toBeLessThan(60);
});

test("a bot's token is part of the path and of nothing else", async () => {
  await send("telegram", PAGE);
  expect(last().path).toBe(`/bot${TOKENS.TELEGRAM}/sendMessage`);
  expect(last().text).not.toContain(TOKENS.TELEGRAM);
});

test.each([
  ["alertmanager", { url: "http://alertmanager.example.org" }],
  ["ntfy", { url: "http://ntfy.example.org", topic: "env:TOPIC" }],
  ["pagerduty", { routingKey: "R0123456789" }],
  ["telegram", { token: "env:T", chat: "nobody" }],
])("%s refuses %j", (type, options) => {
  expect(CHANNELS.find((each) => each.type === type)?.options.safeParse(options).success).toBe(false);
});
