import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiDocument } from "../../src/web/api/document.ts";
import { version } from "../support/model/facts.ts";
import { seeded } from "../support/model/random.ts";
import { createWebEstate, WEB_ORIGIN, type WebEstate } from "../support/system/webEstate.ts";
import { randomRequest } from "../support/web/apiRequests.ts";

let estate: WebEstate;
beforeAll(async () => {
  estate = await createWebEstate();
  await estate.installation.issue(version({ certificate: "www" }));
});
afterAll(() => estate[Symbol.asyncDispose]());

const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  estate.ask(path, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  });
const detailOf = async (response: Response): Promise<string> => ((await response.json()) as { detail: string }).detail;

/** The drill `api-fuzz` sends thousands, over connections. */
const REQUESTS = 300;
const SEED = Number(process.env.RENEWD_FUZZ_SEED ?? 1);
/** They wait for a CA, for DNS or for this machine. */
const ASK_OTHERS = [
  "revoke",
  "checkCertificate",
  "getDoctor",
  "getAccount",
  "dialEndpoints",
  "listChallenges",
  "streamEvents",
];

describe("a request that makes no sense", () => {
  test("is never answered with 500, whatever is in its path, parameters, headers and body", async () => {
    const random = seeded(SEED);
    for (let count = 0; count < REQUESTS; count += 1) {
      const { method, path, headers, body } = randomRequest(apiDocument("0.0.0"), random, ASK_OTHERS);
      const response = await estate.ask(path, { method, headers, ...(body !== null && method !== "HEAD" && { body }) });
      await response.body?.cancel();
      const said = `request ${count} of seed ${SEED}: ${method} ${path} ${JSON.stringify(headers)} ${body?.slice(0, 300)}`;
      expect(response.status, said).not.toBe(500);
      for (const value of response.headers.values()) expect(value, said).not.toMatch(/[\r\n\0]/);
    }
  });

  test.each([
    ["a cursor of nothing", "/certificates?after=xyz", 400, "after"],
    [
      "a cursor with other things in it",
      `/certificates?after=${Buffer.from('[{"a":1},2]').toString("base64url")}`,
      400,
      "after",
    ],
    ["a cursor of 5,000 characters", `/renewals?after=${"a".repeat(5_000)}`, 400, "after"],
    ["a huge page", "/certificates?limit=999999999", 400, "limit"],
    ["a page of none", "/events?limit=0", 400, "limit"],
    ["a limit that is no number", "/endpoints?limit=ten", 400, "limit"],
    ["a parameter twice", "/certificates?q=a&q=b", 400, "q"],
    ["an order that there is not", "/certificates?sort=__proto__", 400, "sort"],
    ["a token of the search that is wrong", "/renewals?q=serial:xyz", 400, "serial"],
    ["a number that is no event's", "/events/stream?afterSeq=-1", 400, "afterSeq"],
  ])("%s is refused by name", async (_, path, status, named) => {
    const response = await estate.ask(`/api/v1${path}`);
    expect(response.status).toBe(status);
    expect(await detailOf(response)).toContain(named);
  });

  test("a body that is too large is refused before it is read, and a stranger's token as well", async () => {
    const body = JSON.stringify({ reason: "x".repeat(300_000) });
    expect((await post("/api/v1/certificates/www/retry", body)).status).toBe(413);
    expect((await post("/api/v1/certificates/www/retry", body, { authorization: "Bearer no" })).status).toBe(401);
  });

  test("another method, and a path that there is not, are said so", async () => {
    const wrong = await estate.ask("/api/v1/certificates/www", { method: "DELETE" });
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect((await estate.ask("/api/v1/certificate")).status).toBe(404);
    expect((await estate.ask("/api/v1/certificates/%E0%A4%A")).status).toBe(404);
  });
});

test("what a client says of itself cannot break the log, the history or a header", async () => {
  const hostile = { "renewd-user": "eve\u001b[31m\tX", "idempotency-key": "k-1" };
  const response = await post("/api/v1/certificates/www/pause", { reason: "a\r\nSet-Cookie: a=b\u202e" }, hostile);
  expect(response.status).toBe(200);
  expect(response.headers.get("set-cookie")).toBeNull();
  const [event] = await estate.store.events.list({ types: ["certificate.paused"], limit: 1 });
  expect(event?.detail.by).toBe("api.token");
  expect(String(event?.detail.reason)).not.toMatch(/[\r\n\u202e]/);
  await post("/api/v1/certificates/www/resume", {});
});

describe("what has changed meanwhile:", () => {
  test("a stale ETag is refused with 412, and the decision is not carried out", async () => {
    const seen = await estate.ask("/api/v1/certificates/www");
    const etag = seen.headers.get("etag") ?? "";
    expect((await estate.ask("/api/v1/certificates/www", { headers: { "if-none-match": etag } })).status).toBe(304);
    expect((await post("/api/v1/certificates/www/pause", { reason: "first" }, { "if-match": etag })).status).toBe(200);
    const stale = await post("/api/v1/certificates/www/pause", { reason: "second" }, { "if-match": etag });
    expect(stale.status).toBe(412);
    expect((await estate.store.certificates.get("www"))?.pausedReason).toBe("first");
    expect((await estate.ask("/api/v1/certificates/www", { headers: { "if-none-match": etag } })).status).toBe(200);
    await post("/api/v1/certificates/www/resume", {});
  });

  test("one idempotency key is one decision; another request with it is refused", async () => {
    const key = { "idempotency-key": randomBytes(8).toString("hex") };
    const pause = (reason: string): Promise<Response> => post("/api/v1/certificates/www/pause", { reason }, key);
    const before = (await estate.store.events.list({ types: ["certificate.paused"], limit: 100 })).length;
    const [first, again] = [await pause("once"), await pause("once")];
    expect([first.status, first.headers.get("idempotency-replayed")]).toEqual([200, null]);
    expect([again.status, again.headers.get("idempotency-replayed")]).toEqual([200, "true"]);
    expect(await again.text()).toBe(await first.text());
    expect((await estate.store.events.list({ types: ["certificate.paused"], limit: 100 })).length).toBe(before + 1);
    expect((await pause("twice")).status).toBe(422);
    const refused = await post(
      "/api/v1/certificates/www/pause",
      { reason: "x", until: "2020-01-01" },
      { "idempotency-key": "k-2" },
    );
    expect(refused.status).toBe(400);
    // It did nothing, so its key is free.
    expect((await post("/api/v1/certificates/www/pause", { reason: "x" }, { "idempotency-key": "k-2" })).status).toBe(
      200,
    );
    expect((await post("/api/v1/certificates/www/resume", {}, { "idempotency-key": "two words" })).status).toBe(400);
  });

  test("a browser left open over a restart keeps its session", async () => {
    const cookie = await estate.signIn();
    const { createApp } = await import("../../src/web/app.ts");
    const restarted = createApp({ ...estate.web });
    expect((await restarted.request(`${WEB_ORIGIN}/api/v1/status`, { headers: { cookie } })).status).toBe(200);
  });
});
