// Buttons that try something without changing it, and what the pages and the history keep of them.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EventType, HistoryEvent } from "../../src/domain/event.ts";
import { type Hook, startHook } from "../support/system/hook.ts";
import { createWebEstate, WEB_ORIGIN, type WebEstate } from "../support/system/webEstate.ts";
import { until } from "../support/until.ts";

let estate: WebEstate;
let hook: Hook;
let directory: string;
beforeAll(async () => {
  hook = await startHook();
  process.env.RENEWD_TEST_HOOK = hook.url;
  directory = await mkdtemp(join(tmpdir(), "renewd-checks-"));
  estate = await createWebEstate({
    names: ["www", "api"],
    sections: {
      notifications: { ops: { type: "webhook", url: "env:RENEWD_TEST_HOOK" } },
      targets: {
        edge: { type: "files", directory: join(directory, "tls"), bundle: "{certificate}.pem" },
        lb: { type: "files", directory: join(directory, "lb"), bundle: "{certificate}.pem", agent: true },
      },
      defaults: { issuer: "ca", solver: "http", targets: ["edge", "lb"] },
    },
  });
});
afterAll(async () => {
  delete process.env.RENEWD_TEST_HOOK;
  await estate[Symbol.asyncDispose]();
  await hook[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

const page = async (path: string): Promise<string> =>
  (await estate.ask(path, { headers: { accept: "text/html" } })).text();
const act = async (action: string, fields: Record<string, string>): Promise<string> => {
  const headers = { "content-type": "application/x-www-form-urlencoded", accept: "text/html" };
  const body = new URLSearchParams(fields).toString();
  return (await estate.ask(`/actions/${action}`, { method: "POST", headers, body })).text();
};
const newest = async (type: EventType): Promise<HistoryEvent | undefined> =>
  (await estate.store.events.list({ types: [type], limit: 1 }))[0];

describe("a target", () => {
  test("is checked without touching it, and its page keeps the result with its time", async () => {
    expect(await page("/targets/edge")).toContain("not checked yet");
    const missing = await act("check-target", { target: "edge", reason: "new machine" });
    expect(missing).toContain("not done");
    expect((await newest("target.checked"))?.detail).toMatchObject({
      passed: false,
      by: "api.token",
      why: "new machine",
    });
    expect(await page("/targets/edge")).toContain("not ready");
    await mkdir(join(directory, "tls"), { mode: 0o700 });
    expect(await act("check-target", { target: "edge" })).toContain("2 certificates");
    const after = await page("/targets/edge");
    expect(after).toContain("ready");
    expect(after).not.toContain('bad">not ready');
    expect(await page("/targets")).toContain("ready");
  });

  test("with an agent is checked only by it, and one that is not configured is refused", async () => {
    expect(await page("/actions/check-target?target=lb")).toContain("only its own agent can check it");
    expect(await act("check-target", { target: "lb" })).toContain("has its own agent");
    expect(await act("check-target", { target: "nothing" })).toContain("is not configured");
    expect((await estate.ask("/targets/nothing", { headers: { accept: "text/html" } })).status).toBe(404);
  });
});

describe("a channel", () => {
  test("gets a test message, of which the page and the history know", async () => {
    const before = hook.requests();
    expect(await act("test-channel", { channel: "ops" })).toContain("took the test message");
    expect(hook.requests()).toBe(before + 1);
    expect(hook.taken.at(-1)).toMatchObject({ event: "test", message: "renewd: a test message by channel ops" });
    expect((await newest("channel.tested"))?.detail).toMatchObject({ channel: "ops", sent: true });
    expect(await page("/alerts")).toContain("tested");
  });

  test("that fails says why, on the page and through the API", async () => {
    hook.answer = 500;
    expect(await act("test-channel", {})).toContain("not done");
    const answer = await estate.ask("/api/v1/channels/test", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ channel: "ops", reason: "drill" }),
    });
    expect(await answer.json()).toMatchObject({ version: 1, channels: [{ channel: "ops", sent: false }] });
    expect((await newest("channel.tested"))?.detail).toMatchObject({ sent: false, why: "drill" });
    expect(await page("/alerts/channels/ops")).toContain("failed its test");
    hook.answer = 200;
  });
});

test("the history is audited from the page, and says so with the time", async () => {
  expect(await page("/report")).toContain("never audited");
  await act("audit", {});
  const event = await until("the audit", async () => (await newest("history.audited")) ?? null);
  expect(event.detail).toMatchObject({ whole: true, by: "api.token" });
  expect(await page("/report")).toContain("as renewd wrote");
  expect(await page("/history")).toContain("audited");
});

test("names are checked as a CA would, and the certificate's page shows solver and result for each", async () => {
  expect(await page("/certificates/www")).toContain("http-01");
  await act("check", { certificate: "www" });
  const event = await until("the check", async () => (await newest("certificate.checked")) ?? null);
  expect(event.certificate).toBe("www");
  expect(await page("/certificates/www")).toContain("Checked");
});

describe("the history knows", () => {
  const bare = (path: string, init?: RequestInit) => estate.app.request(`${WEB_ORIGIN}${path}`, init);

  test("who signed in and out", async () => {
    const cookie = await estate.signIn("carol@desk");
    expect((await newest("access.granted"))?.detail).toEqual({ by: "carol@desk in a browser" });
    await bare("/sign-out", { method: "POST", headers: { cookie, origin: WEB_ORIGIN } });
    expect((await newest("access.ended"))?.detail).toEqual({ by: "carol@desk in a browser" });
    expect(await page("/history?q=access.&view=events")).toContain("carol@desk in a browser signed in");
  });

  test("that somebody was refused, in one event however often that was", async () => {
    const headers = { authorization: "Bearer renewd_guessed-by-somebody" };
    for (let guess = 0; guess < 50; guess++) await bare("/", { headers });
    for (let guess = 0; guess < 50; guess++) await bare(`/sign-in?code=${guess}`);
    const refused = await estate.store.events.list({ types: ["access.refused"], limit: 100 });
    expect(refused.map(({ detail }) => detail.why)).toEqual([
      "a token that is not valid",
      "a sign-in link that is not known, was used already or has expired",
    ]);
    expect(JSON.stringify(refused)).not.toContain("guessed-by-somebody");
  });
});
