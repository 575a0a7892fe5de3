import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createWebEstate, WEB_ORIGIN, type WebEstate } from "../support/system/webEstate.ts";

const PASSWORD = "password-of-the-mail-gateway";
const VALUE = "A".repeat(43);
const FQDN = "_acme-challenge.mx.mail.example.org.";
const LABEL = "abcdefghijklmnop.acme.example.net";
const NAME_SERVERS = { "ns1.acme.example.net": ["192.0.2.53"] };
const OPTIONS = { nameServers: NAME_SERVERS, follow: "never", propagation: { check: "none" } };
const sections = {
  solvers: {
    http: { type: "http-01" },
    own: { type: "dns-server", domains: ["mail.example.org", "acme.example.net"], ...OPTIONS },
  },
  web: {
    httpreq: {
      "mail-gateway": {
        ...{ password: "env:HTTPREQ_TEST_PASSWORD", solver: "own", zones: ["mail.example.org"], delegated: [LABEL] },
      },
      other: { password: "env:HTTPREQ_TEST_OTHER", solver: "own", zones: ["mail.example.org"] },
      short: { password: "env:HTTPREQ_TEST_SHORT", solver: "own", zones: ["mail.example.org"] },
      missing: { password: "env:HTTPREQ_TEST_MISSING", solver: "own", zones: ["mail.example.org"] },
    },
  },
};

interface Wish {
  readonly user?: string;
  readonly password?: string;
  readonly type?: string;
  readonly authorization?: string;
}

let estate: WebEstate;
beforeAll(async () => {
  process.env.HTTPREQ_TEST_PASSWORD = PASSWORD;
  process.env.HTTPREQ_TEST_OTHER = `other-${PASSWORD}`;
  process.env.HTTPREQ_TEST_SHORT = "short";
  estate = await createWebEstate({ sections });
});
afterAll(async () => {
  await estate[Symbol.asyncDispose]();
  for (const name of ["PASSWORD", "OTHER", "SHORT"]) delete process.env[`HTTPREQ_TEST_${name}`];
});

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

async function post(action: string, body: unknown, wish: Wish = {}): Promise<Response> {
  const { user = "mail-gateway", password = PASSWORD, type = "application/json" } = wish;
  const headers = { "content-type": type, authorization: wish.authorization ?? basic(user, password) };
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return estate.app.request(`${WEB_ORIGIN}/httpreq/${action}`, { method: "POST", headers, body: text });
}
const rows = () => estate.store.dns.records.list(10);
const events = async () =>
  (await estate.store.events.list({ types: ["client.published", "client.removed"], limit: 10 })).map(
    ({ type, detail }) => `${type} ${detail.client} ${detail.name} ${detail.solver}`,
  );

describe("lego's httpreq contract, served", () => {
  it("publishes and removes in default mode, twice each, and says so in the history", async () => {
    for (const _ of [1, 2]) expect((await post("present", { fqdn: FQDN, value: VALUE })).status).toBe(204);
    expect(await rows()).toMatchObject([
      { client: "mail-gateway", name: FQDN.slice(0, -1), value: VALUE, state: "published", certificate: null },
    ]);
    for (const _ of [1, 2]) expect((await post("cleanup", { fqdn: FQDN, value: VALUE })).status).toBe(204);
    expect(await rows()).toEqual([]);
    const what = "mail-gateway _acme-challenge.mx.mail.example.org own";
    expect(await events()).toEqual([`client.published ${what}`, `client.published ${what}`, `client.removed ${what}`]);
  });

  it("makes name and value itself in RAW mode", async () => {
    const keyAuth = `some-token_1.${VALUE}`;
    const body = { domain: "mx.mail.example.org", token: "some-token_1", keyAuth };
    expect((await post("present", body)).status).toBe(204);
    const value = createHash("sha256").update(keyAuth).digest("base64url");
    expect(await rows()).toMatchObject([{ name: FQDN.slice(0, -1), value, identifier: "mx.mail.example.org" }]);
    expect((await post("cleanup", { fqdn: FQDN, value })).status).toBe(204);
    expect(await rows()).toEqual([]);
  });

  it("removes nothing of another client or of renewd, whose values are public", async () => {
    expect((await post("present", { fqdn: FQDN, value: VALUE })).status).toBe(204);
    const wish = { user: "other", password: `other-${PASSWORD}` };
    expect((await post("cleanup", { fqdn: FQDN, value: VALUE }, wish)).status).toBe(204);
    expect(await rows()).toHaveLength(1);
    expect((await post("cleanup", { fqdn: FQDN, value: VALUE })).status).toBe(204);
  });

  it("publishes at a name that a CNAME leads to only where it is listed", async () => {
    expect((await post("present", { fqdn: `${LABEL}.`, value: VALUE })).status).toBe(204);
    expect(await rows()).toMatchObject([{ name: LABEL, identifier: LABEL }]);
    expect((await post("cleanup", { fqdn: `${LABEL}.`, value: VALUE })).status).toBe(204);
    expect((await post("present", { fqdn: `x${LABEL}.`, value: VALUE })).status).toBe(403);
  });

  it.each<[string, Wish]>([
    ["a wrong password", { password: "wrong" }],
    ["an empty password", { password: "" }],
    ["an unknown user", { user: "nobody" }],
    ["another client's password", { user: "other" }],
    ["a password that is too short to be let in by", { user: "short", password: "short" }],
    ["a password that cannot be read", { user: "missing", password: "" }],
    ["a member of every object", { user: "__proto__", password: "" }],
    ["the token of the API", { authorization: "Bearer x" }],
    ["no credentials at all", { authorization: "" }],
    ["credentials that are no base64", { authorization: "Basic ::::" }],
  ])("lets nobody in by %s", async (_, wish) => {
    const response = await post("present", { fqdn: FQDN, value: VALUE }, wish);
    expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, 'Basic realm="renewd"']);
    expect(await rows()).toEqual([]);
  });

  it("takes its credentials for nothing else, and the API's token not for this", async () => {
    const headers = { authorization: basic("mail-gateway", PASSWORD) };
    expect((await estate.app.request(`${WEB_ORIGIN}/api/v1/status`, { headers })).status).toBe(401);
    expect(
      (await post("present", { fqdn: FQDN, value: VALUE }, { authorization: `Bearer ${estate.token}` })).status,
    ).toBe(401);
    const got = await estate.app.request(`${WEB_ORIGIN}/httpreq/present`, { headers });
    expect([got.status, got.headers.get("allow")]).toEqual([405, "POST"]);
  });

  it.each<[number, string, unknown]>([
    [403, "another zone", { fqdn: "_acme-challenge.example.org.", value: VALUE }],
    [403, "a name that only ends alike", { fqdn: "_acme-challenge.xmail.example.org.", value: VALUE }],
    [403, "a name that is no challenge's", { fqdn: "mail.example.org.", value: VALUE }],
    [403, "the zone's policy record", { fqdn: "_dmarc.mail.example.org.", value: VALUE }],
    [409, "a shell's words", { fqdn: "_acme-challenge.$(id).mail.example.org.", value: VALUE }],
    [409, "a line break", { fqdn: "_acme-challenge.a\nb.mail.example.org.", value: VALUE }],
    [409, "a way up", { fqdn: "_acme-challenge.../../.mail.example.org.", value: VALUE }],
    [409, "a long label", { fqdn: `_acme-challenge.${"a".repeat(64)}.mail.example.org.`, value: VALUE }],
    [409, "a value that is no digest", { fqdn: FQDN, value: "v=spf1 include:evil.example -all" }],
    [400, "a name that is too long", { fqdn: "a".repeat(300), value: VALUE }],
    [400, "another token's authorization", { domain: "mail.example.org", token: "a", keyAuth: `b.${VALUE}` }],
    [400, "a token with a slash", { domain: "mail.example.org", token: "a/b", keyAuth: `a/b.${VALUE}` }],
    [400, "a list", []],
    [400, "no JSON", "{"],
    [413, "a large body", JSON.stringify({ fqdn: FQDN, value: "a".repeat(300_000) })],
  ])("answers %i to %s, and publishes nothing", async (status, _, body) => {
    const response = await post("present", body);
    const text = await response.text();
    expect([response.status, text]).toEqual([status, expect.not.stringContaining(PASSWORD)]);
    expect(await rows()).toEqual([]);
  });

  it("refuses who asks too often for a while, before anything is done", async () => {
    const wish = { user: "other", password: `other-${PASSWORD}` };
    const all = await Promise.all(
      Array.from({ length: 200 }, () => post("cleanup", { fqdn: FQDN, value: VALUE }, wish)),
    );
    const refused = all.filter(({ status }) => status === 503);
    expect(refused.length).toBeGreaterThan(0);
    expect(Number(refused[0]?.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await post("cleanup", { fqdn: FQDN, value: VALUE })).status).toBe(204);
  });

  it("takes no form that another site's page could send", async () => {
    const body = JSON.stringify({ fqdn: FQDN, value: VALUE });
    expect((await post("present", body, { type: "text/plain" })).status).toBe(415);
    expect(await rows()).toEqual([]);
  });
});

describe("without clients in the configuration", () => {
  it("there is nothing to find", async () => {
    await using plain = await createWebEstate();
    const headers = { "content-type": "application/json", authorization: basic("mail-gateway", PASSWORD) };
    const response = await plain.app.request(`${WEB_ORIGIN}/httpreq/present`, { method: "POST", headers, body: "{}" });
    expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, 'Bearer realm="renewd"']);
  });
});
