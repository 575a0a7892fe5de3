import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensureToken, tokenFile } from "../../src/web/auth/tokenFile.ts";
import { createWebEstate, WEB_ORIGIN, type WebEstate } from "../support/system/webEstate.ts";

let estate: WebEstate;
beforeAll(async () => {
  estate = await createWebEstate();
});
afterAll(() => estate[Symbol.asyncDispose]());

const bare = (path: string, init?: RequestInit): Promise<Response> =>
  Promise.resolve(estate.app.request(`${WEB_ORIGIN}${path}`, init));

describe("who is let in:", () => {
  test.each(["/", "/metrics", "/api/v1/certificates"])("nobody without a token or session at %s", async (path) => {
    const response = await bare(path);
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toBe('Bearer realm="renewd"');
    expect(await response.text()).toContain("renewd open");
  });

  test("the holder of api.token, which only renewd's user can read", async () => {
    expect((await estate.ask("/")).status).toBe(200);
    const { mode } = await stat(tokenFile(estate.web.config().dataDir));
    expect(mode & 0o777).toBe(0o600);
    expect((await bare("/", { headers: { authorization: "Bearer renewd_guess" } })).status).toBe(401);
    expect((await bare("/", { headers: { authorization: `Basic ${estate.token}` } })).status).toBe(401);
  });

  test("a browser, once for each link; the database shows neither code nor cookie", async () => {
    const cookie = await estate.signIn();
    expect((await bare("/", { headers: { cookie } })).status).toBe(200);
    const database = await readFile(`${estate.web.config().dataDir}/renewd.db`, "latin1");
    expect(database).not.toContain(cookie.split("=")[1]);
    const { createCode } = await import("../../src/web/auth/session.ts");
    const code = await createCode(estate.web.renewal, "alice@web-1");
    expect((await bare(`/sign-in?code=${code}`, { method: "HEAD" })).status).toBe(200);
    const ahead = { "sec-purpose": "prefetch;prerender" };
    expect((await bare(`/sign-in?code=${code}`, { headers: ahead })).status).toBe(503);
    const first = await bare(`/sign-in?code=${code}`);
    expect([first.status, first.headers.get("location")]).toEqual([303, "/"]);
    expect(first.headers.get("set-cookie")).toMatch(/; HttpOnly; SameSite=Lax$/);
    expect((await bare(`/sign-in?code=${code}`)).status).toBe(401);
  });

  test("a browser no more once it signed out", async () => {
    const cookie = await estate.signIn();
    const origin = WEB_ORIGIN;
    expect((await bare("/sign-out", { method: "POST", headers: { cookie, origin } })).status).toBe(303);
    expect((await bare("/", { headers: { cookie } })).status).toBe(401);
  });

  test("a calendar program with the address that the page shows, to read dates and nothing else", async () => {
    const page = await (await estate.ask("/calendar")).text();
    const [feed = ""] = /\/calendar\/feed\.ics\?token=[\w-]+/.exec(page) ?? [];
    const response = await bare(feed);
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/calendar; charset=utf-8"]);
    expect(await response.text()).toMatch(/^BEGIN:VCALENDAR\r\n/);
    for (const path of [
      "/calendar/feed.ics",
      "/calendar/feed.ics?token=guess",
      feed.replace("/calendar/feed.ics", "/"),
    ])
      expect((await bare(path)).status, path).toBe(401);
    expect((await estate.ask("/calendar.ics")).status).toBe(200);
    expect((await bare("/calendar.ics")).status).toBe(401);
  });

  test("whoever asks whether it lives", async () => {
    expect((await bare("/healthz")).status).toBe(200);
    expect((await bare("/assets/renewd.css")).headers.get("content-type")).toBe("text/css; charset=utf-8");
  });
});

test("a token that was replaced in the file is not valid any more", async () => {
  await using other = await createWebEstate();
  const file = tokenFile(other.web.config().dataDir);
  await writeFile(file, "a-token-of-my-own-choice\n");
  expect((await other.ask("/")).status).toBe(401);
  expect((await other.ask("/", { headers: { authorization: "Bearer a-token-of-my-own-choice" } })).status).toBe(200);
  await ensureToken(file);
  expect(await readFile(file, "utf8")).toBe("a-token-of-my-own-choice\n");
  await chmod(file, 0o644);
  await writeFile(file, "a-token-that-all-can-read\n");
  expect((await other.ask("/")).status).toBe(503);
});

describe("what another site's page can do:", () => {
  test.each([
    ["http://attacker.example:8280/", 421],
    ["http://localhost:8280/", 200],
    ["http://127.0.0.1:9999/", 200],
    ["http://[::1]:8280/", 200],
    ["http://192.0.2.7/", 200],
  ])("%s is answered with %s", async (url, status) => {
    const headers = { authorization: `Bearer ${estate.token}` };
    expect((await estate.app.request(url, { headers })).status).toBe(status);
  });

  test("nothing that changes something, with the browser's session", async () => {
    const cookie = await estate.signIn();
    const post = async (headers: Record<string, string>): Promise<number> =>
      (await bare("/sign-out", { method: "POST", headers: { cookie, ...headers } })).status;
    expect(await post({ origin: "https://attacker.example" })).toBe(403);
    expect(await post({ origin: "null" })).toBe(403);
    expect(await post({ "sec-fetch-site": "cross-site" })).toBe(403);
    expect(await post({ "sec-fetch-site": "same-site" })).toBe(403);
    expect(await post({})).toBe(403);
    expect(await post({ origin: WEB_ORIGIN })).toBe(303);
  });

  test("nothing inside a page of renewd: no inline script, nothing from elsewhere, no frame", async () => {
    const { headers } = await estate.ask("/");
    const policy = headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain("unsafe");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("cache-control")).toBe("no-store");
  });
});

test("metrics go without a token where the configuration says so, and pages do not", async () => {
  await using open = await createWebEstate({ sections: { web: { metrics: { withoutToken: true } } } });
  expect((await open.app.request(`${WEB_ORIGIN}/metrics`)).status).toBe(200);
  expect((await open.app.request(`${WEB_ORIGIN}/`)).status).toBe(401);
});
