import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createIssuer } from "../../src/acme/issuer.ts";
import type { ProxyAnswer } from "../support/ca/acmeProxy.ts";
import { memoryAccounts, memoryProgress } from "../support/model/orderMemory.ts";
import { type CaFixture, issuerOptions, request, running, startCa } from "./caFixture.ts";

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa();
});
afterAll(() => ca[Symbol.asyncDispose]());
afterEach(() => {
  ca.proxy.intercept = null;
});

function attempt() {
  return ca.issuer().issue(request(), memoryProgress(), ca.solvers, running());
}

const page = (status: number): ProxyAnswer => ({
  ...{ status, headers: { "content-type": "text/html" } },
  body: "<!doctype html><title>Moved</title>",
});
/** What may stand where a CA was. */
const OLD_URLS: Readonly<Record<string, ProxyAnswer | "reset">> = {
  "is gone": page(404),
  "has no such method": page(405),
  "shows a page": page(200),
  "shows a page that says 403": page(403),
  "shows a page that says 500": page(500),
  "shows a page that says 503": page(503),
  "answers a gateway's JSON": { status: 500, headers: {}, body: '{"title":"Internal error"}' },
  "answers an empty object": { status: 200, headers: {}, body: "{}" },
  "answers nothing": { status: 204, headers: {}, body: "" },
  redirects: { ...page(301), headers: { location: "https://192.0.2.1/" } },
  "cuts the connection": "reset",
};
const NAMES = ["newNonce", "newAccount", "newOrder"];

describe("a CA that moves its URLs", () => {
  it.each(Object.keys(OLD_URLS).flatMap((what) => NAMES.map((name) => [name, what] as const)))(
    "has its directory read again when the old %s %s, and the order goes on at once",
    async (name, what) => {
      let directories = 0;
      ca.proxy.intercept = async (incoming, forward) => {
        if (incoming.path.endsWith("/old")) return OLD_URLS[what] ?? expect.unreachable();
        if (incoming.resource !== "directory" || directories++ > 0) return null;
        const answer = await forward();
        const directory: Record<string, string> = JSON.parse(answer.body);
        return { ...answer, body: JSON.stringify({ ...directory, [name]: `${ca.proxy.directory}/old` }) };
      };
      const issuer = createIssuer(issuerOptions(ca.proxy), { accounts: memoryAccounts(), now: Date.now });
      await issuer.issue(request(), memoryProgress(), ca.solvers, running());
      expect(directories).toBe(2);
    },
  );

  it("that is down is asked no more than once, and says why", async () => {
    const issuer = ca.issuer();
    ca.proxy.intercept = async ({ resource }) => (resource === "newOrder" ? page(502) : null);
    const asked = () => [ca.proxy.count("newOrder"), ca.proxy.count("directory")];
    const [orders = 0, directories = 0] = asked();
    const attempt = issuer.issue(request(), memoryProgress(), ca.solvers, running());
    await expect(attempt).rejects.toMatchObject({ code: "acme.server", message: expect.stringContaining("502") });
    expect(asked()).toEqual([orders + 1, directories + 2]);
  });

  it("has its directory read again by the next attempt when another URL is gone", async () => {
    const issuer = ca.issuer();
    const progress = memoryProgress();
    const wanted = request();
    const issue = () => issuer.issue(wanted, progress, ca.solvers, running());
    ca.proxy.intercept = async ({ path }) =>
      path.startsWith("/finalize-order/") ? { status: 404, headers: {}, body: "" } : null;
    await expect(issue()).rejects.toMatchObject({ code: "acme.server" });
    ca.proxy.intercept = null;
    const before = ca.proxy.count("directory");
    await issue();
    expect(ca.proxy.count("directory") - before).toBe(1);
  });
});

describe("a CA whose accounts have another URL now", () => {
  it.each([
    ["is gone", "/old/my-account/", page(404), {}],
    ["is gone and the contact has changed", "/old/my-account/", page(404), { contact: ["mailto:new@example.com"] }],
    ["shows a page", "/old/my-account/", page(200), {}],
    ["is malformed to it", "/old/my-account/", null, {}],
    ["is unknown to it", "/my-account/0", null, {}],
  ])("finds the account by its key when the old URL %s, and the order goes on", async (_what, path, shown, change) => {
    const accounts = memoryAccounts();
    const issuer = createIssuer(issuerOptions(ca.proxy), { accounts, now: Date.now });
    await issuer.issue(request(), memoryProgress(), ca.solvers, running());
    const url = async () => (await accounts.get("pebble", ca.proxy.directory))?.url ?? expect.unreachable();
    const current = await url();
    const old = current.replace("/my-account/", path);
    await accounts.setUrl("pebble", ca.proxy.directory, old);
    ca.proxy.intercept = async (incoming) => (incoming.path.startsWith("/old/") ? shown : null);
    const progress = memoryProgress();
    const changed = createIssuer({ ...issuerOptions(ca.proxy), ...change }, { accounts, now: Date.now });
    await changed.issue(request(), progress, ca.solvers, running());
    expect(await url()).toBe(current);
    const told = progress.events.find(({ type }) => type === "account.replaced");
    expect(told?.detail).toMatchObject({ from: old, to: current });
  });
});

describe("a directory", () => {
  const answeredOnce = (first: ProxyAnswer): void => {
    let answers = 0;
    ca.proxy.intercept = async ({ resource }) => (resource === "directory" && answers++ === 0 ? first : null);
  };

  it("that redirects once within its origin is followed, also by a relative URL", async () => {
    const { pathname } = new URL(ca.proxy.directory);
    answeredOnce({ status: 308, headers: { location: pathname }, body: "" });
    const before = ca.proxy.count("directory");
    await attempt();
    expect(ca.proxy.count("directory") - before).toBe(2);
  });

  it("that redirects to another origin is not followed", async () => {
    answeredOnce({ status: 301, headers: { location: "https://192.0.2.1/dir" }, body: "" });
    await expect(attempt()).rejects.toMatchObject({
      code: "acme.directory",
      message: expect.stringContaining("outside"),
    });
  });

  it("that is a web page is said to be one, also when it was read before", async () => {
    const issuer = ca.issuer();
    await issuer.readDirectory?.(running());
    ca.proxy.intercept = async () => page(200);
    await expect(issuer.readDirectory?.(running())).rejects.toMatchObject({
      code: "acme.directory",
      message: expect.stringContaining("the answer is text/html, not JSON."),
    });
    ca.proxy.intercept = async () => page(500);
    await expect(issuer.readDirectory?.(running())).rejects.toMatchObject({ code: "acme.server" });
  });
});
