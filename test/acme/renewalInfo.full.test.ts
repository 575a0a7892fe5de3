import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { IssueResult, Issuer } from "../../src/domain/issuer.ts";
import type { RenewalInfo } from "../../src/domain/renewalInfo.ts";
import { certId } from "../../src/x509/certId.ts";
import type { ProxyAnswer } from "../support/ca/acmeProxy.ts";
import { memoryProgress } from "../support/model/orderMemory.ts";
import { type CaFixture, request, running, startCa } from "./caFixture.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const WINDOW = { start: "2031-01-02T04:00:00Z", end: "2031-01-03T04:00:00Z" };

let ca: CaFixture;
let issuer: Issuer;
let issued: IssueResult;
beforeAll(async () => {
  ca = await startCa({ version: "2.10" });
  issuer = ca.issuer();
  issued = await issuer.issue(request(), memoryProgress(), ca.solvers, running());
});
afterAll(() => ca[Symbol.asyncDispose]());
afterEach(() => {
  ca.proxy.intercept = null;
});

function renewalInfo(leafPem = issued.leafPem): Promise<RenewalInfo | null> {
  return issuer.renewalInfo?.(leafPem, running()) ?? expect.unreachable("the issuer has no renewalInfo");
}

/** The CA answers renewalInfo like this from now on. */
function answer(body: unknown, headers: ProxyAnswer["headers"] = {}, status = 200): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  ca.proxy.intercept = async ({ path }) => (path.includes("renewalInfo") ? { status, headers, body: text } : null);
}

describe("renewalInfo at Pebble 2.10", () => {
  it("is a window inside the certificate's life, asked for by its CertID", async () => {
    const info = await renewalInfo();
    expect(info?.start).toBeGreaterThan(issued.leaf.notBefore);
    expect(info?.end).toBeGreaterThan(info?.start ?? 0);
    expect(info?.end).toBeLessThan(issued.leaf.notAfter);
    expect(ca.proxy.requests.at(-1)?.path.endsWith(`/${certId(issued.leafPem)}`)).toBe(true);
  });

  it("follows a window the CA moves, with its reason", async () => {
    const { leafPem } = await issuer.issue(request(), memoryProgress(), ca.solvers, running());
    await ca.pebble.setRenewalInfo(
      leafPem,
      JSON.stringify({ suggestedWindow: WINDOW, explanationURL: "https://ca.example/why" }),
    );
    const info = await renewalInfo(leafPem);
    expect(info).toMatchObject({
      start: Date.parse(WINDOW.start),
      end: Date.parse(WINDOW.end),
      explanationUrl: "https://ca.example/why",
    });
  });
});

describe("renewalInfo", () => {
  it.each([
    ["none", {}, 6 * HOUR_MS],
    ["3 hours", { "retry-after": "10800" }, 3 * HOUR_MS],
    ["a second", { "retry-after": "1" }, MINUTE_MS],
    ["zero", { "retry-after": "0" }, MINUTE_MS],
    ["a year", { "retry-after": "31536000" }, 24 * HOUR_MS],
    ["nonsense", { "retry-after": "soon" }, 6 * HOUR_MS],
  ])(
    "with a Retry-After of %s is asked again after a time that is neither hammering nor silence",
    async (_name, headers, expectedMs) => {
      answer({ suggestedWindow: WINDOW }, headers);
      const before = Date.now();
      const info = await renewalInfo();
      expect(info?.pollAt).toBeGreaterThanOrEqual(before + expectedMs);
      expect(info?.pollAt).toBeLessThanOrEqual(Date.now() + expectedMs);
    },
  );

  it.each<[string, unknown]>([
    ["no JSON", "<html>"],
    ["no window", {}],
    ["half a window", { suggestedWindow: { start: WINDOW.start } }],
    ["dates that are none", { suggestedWindow: { start: "2031-02-30T00:00:00Z", end: "later" } }],
    ["numbers for dates", { suggestedWindow: { start: 1, end: 2 } }],
    ["a window that ends before it starts", { suggestedWindow: { start: WINDOW.end, end: WINDOW.start } }],
    ["an empty window", { suggestedWindow: { start: WINDOW.start, end: WINDOW.start } }],
  ])("that is %s is refused, saying when to ask again", async (_name, body) => {
    answer(body, { "retry-after": "7200" });
    const before = Date.now();
    const error = await renewalInfo().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "acme.renewalInfo", message: expect.stringContaining("it is ignored") });
    expect(error).toMatchObject({
      retryAt: expect.toSatisfy((at: number) => at >= before + 2 * HOUR_MS && at <= Date.now() + 2 * HOUR_MS),
    });
  });

  it.each<[string, unknown]>([
    ["not https", "http://ca.example/why"],
    ["script", "javascript:alert(1)"],
    ["with a terminal's escape", "https://ca.example/\u001b[2J"],
    ["with a line break", "https://ca.example/\nfake: log line"],
    ["with right-to-left text", "https://ca.example/\u202egpj"],
    ["with credentials", "https://user:pass@ca.example/"],
    ["endless", `https://ca.example/${"a".repeat(5_000)}`],
    ["no text", { href: "https://ca.example" }],
  ])("drops an explanation that is %s and keeps the window", async (_name, explanationURL) => {
    answer({ suggestedWindow: WINDOW, explanationURL });
    expect(await renewalInfo()).toMatchObject({ start: Date.parse(WINDOW.start), explanationUrl: null });
  });

  it.each([
    [500, "acme.server"],
    [503, "acme.server"],
    [429, "acme.rateLimited"],
    [404, "acme.refused"],
  ])("answered with %i is %s with the CA's Retry-After", async (status, code) => {
    answer({ type: "about:blank", detail: "not now" }, { "retry-after": "120" }, status);
    const before = Date.now();
    const error = await renewalInfo().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, retryAt: expect.toSatisfy((at: number) => at >= before + 120_000) });
  });

  it("is not sought outside the directory's origin", async () => {
    ca.proxy.intercept = async ({ resource }, forward) => {
      const found = await forward();
      if (resource !== "directory") return found;
      return {
        ...found,
        body: JSON.stringify({ ...JSON.parse(found.body), renewalInfo: "https://elsewhere.example/ari" }),
      };
    };
    await expect(ca.issuer().renewalInfo?.(issued.leafPem, running())).rejects.toMatchObject({
      code: "acme.directory",
    });
  });

  it("is none at a CA that does not offer it, and nothing is asked", async () => {
    await using old = await startCa();
    const result = await old.issuer().renewalInfo?.(issued.leafPem, running());
    expect(result).toBeNull();
    expect(old.proxy.requests.map(({ resource }) => resource)).toEqual(["directory"]);
  });
});

describe("an order that replaces a certificate", () => {
  const orders = (): unknown[] =>
    ca.proxy.requests.filter(({ resource }) => resource === "newOrder").map(({ payload }) => payload);

  it("says so, and one that the CA calls replaced already is ordered again without", async () => {
    const wanted = request();
    const first = await issuer.issue(wanted, memoryProgress(), ca.solvers, running());
    const replaces = certId(first.leafPem);
    const progress = memoryProgress();
    await issuer.issue({ ...wanted, replaces: first.leafPem }, progress, ca.solvers, running());
    expect(orders().at(-1)).toMatchObject({ replaces });
    expect(progress.events[0]).toMatchObject({ type: "order.created", detail: { replaces } });

    const again = memoryProgress();
    const result = await issuer.issue({ ...wanted, replaces: first.leafPem }, again, ca.solvers, running());
    expect(result.leaf.identifiers).toEqual(wanted.identifiers);
    expect(again.events.slice(0, 2).map(({ type }) => type)).toEqual(["order.created", "order.replacesRefused"]);
    expect(again.events[1]?.detail.why).toContain("alreadyReplaced");
    expect(orders().at(-1)).not.toHaveProperty("replaces");
  });

  const refuseOrders = (type: string, subproblem: string | null): void => {
    const urn = (name: string) => `urn:ietf:params:acme:error:${name}`;
    const subproblems = subproblem === null ? [] : [{ type: urn(subproblem), detail: "this one" }];
    const body = JSON.stringify({ type: urn(type), detail: "no", subproblems });
    ca.proxy.intercept = async ({ resource }) => (resource === "newOrder" ? { status: 400, headers: {}, body } : null);
  };

  it.each([
    ["malformed", null, "acme.refused", 2],
    ["unauthorized", null, "acme.account", 2],
    ["malformed", "rejectedIdentifier", "acme.rejectedIdentifier", 1],
    ["rejectedIdentifier", null, "acme.rejectedIdentifier", 1],
  ])(
    "and is refused as %s (%s) with and without is not blamed for it: %s after %i requests",
    async (type, subproblem, code, requests) => {
      refuseOrders(type, subproblem);
      const [progress, before] = [memoryProgress(), ca.proxy.count("newOrder")];
      const attempt = issuer.issue({ ...request(), replaces: issued.leafPem }, progress, ca.solvers, running());
      await expect(attempt).rejects.toMatchObject({ code });
      expect(ca.proxy.count("newOrder") - before).toBe(requests);
      expect(progress.events).toEqual([]);
    },
  );

  it("is an ordinary one at a CA without renewalInfo", async () => {
    await using old = await startCa();
    const wanted = request();
    await old.issuer().issue({ ...wanted, replaces: issued.leafPem }, memoryProgress(), old.solvers, running());
    expect(old.proxy.requests.find(({ resource }) => resource === "newOrder")?.payload).not.toHaveProperty("replaces");
  });
});
