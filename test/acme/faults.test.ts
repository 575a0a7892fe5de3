import { createServer } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { createServer as createTlsServer } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { RenewalError } from "../../src/domain/errors.ts";
import { splitPem } from "../../src/x509/pem.ts";
import type { ProxiedRequest, ProxyAnswer } from "../support/acmeProxy.ts";
import { freePort } from "../support/freePort.ts";
import { memoryProgress } from "../support/orderMemory.ts";
import { createRoot } from "../support/pki.ts";
import { type CaFixture, request, running, startCa } from "./caFixture.ts";

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa();
  // The account exists, so each test's faults hit the order.
  await ca.issuer().issue(request(), memoryProgress(), ca.solver, running());
});
afterAll(() => ca[Symbol.asyncDispose]());
afterEach(() => {
  ca.proxy.intercept = null;
});

const PROBLEM = { "content-type": "application/problem+json" };
function problem(status: number, name: string, detail: string, headers: Record<string, string> = {}): ProxyAnswer {
  return { status, headers: { ...PROBLEM, ...headers }, body: JSON.stringify({ type: `urn:ietf:params:acme:error:${name}`, detail }) };
}

const isOrder = ({ path, payload }: ProxiedRequest): boolean => path.startsWith("/my-order/") && payload === null;
const isChallenge = ({ path }: ProxiedRequest): boolean => path.startsWith("/chalZ/");
const isCertificate = ({ path }: ProxiedRequest): boolean => path.startsWith("/certZ/");

function attempt(change: Parameters<CaFixture["issuer"]>[0] = {}, signal = running(), progress = memoryProgress()) {
  return ca.issuer(change).issue(request(), progress, ca.solver, signal);
}

describe("a CA that limits or fails", () => {
  it("with 429 and Retry-After is asked once and left alone until then", async () => {
    ca.proxy.intercept = async (incoming) =>
      incoming.resource === "newOrder" ? problem(429, "rateLimited", "too many orders", { "retry-after": "3600", "replay-nonce": "abcd" }) : null;
    const before = ca.proxy.count("newOrder");
    const started = Date.now();
    const error = await attempt().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "acme.rateLimited", message: 'CA "pebble" refused to open an order: too many orders (rateLimited)' });
    const retryAt = error instanceof RenewalError ? (error.retryAt ?? 0) : 0;
    expect(retryAt - started).toBeGreaterThanOrEqual(3600_000);
    expect(retryAt - Date.now()).toBeLessThanOrEqual(3600_000);
    expect(ca.proxy.count("newOrder") - before).toBe(1);
  });

  it("with 429 as a date is understood, also for a nonce", async () => {
    const date = new Date(Date.now() + 7200_000).toUTCString();
    ca.proxy.intercept = async (incoming) => (incoming.resource === "newNonce" ? problem(429, "rateLimited", "slow", { "retry-after": date }) : null);
    await expect(attempt()).rejects.toMatchObject({ code: "acme.rateLimited", retryAt: Date.parse(date) });
  });

  it.each([
    [500, "acme.server"],
    [503, "acme.server"],
  ])("with status %i fails the attempt at once as %s", async (status, code) => {
    ca.proxy.intercept = async (incoming) => (incoming.resource === "newOrder" ? { status, headers: {}, body: "<html>oops" } : null);
    const before = ca.proxy.count("newOrder");
    await expect(attempt()).rejects.toMatchObject({ code });
    expect(ca.proxy.count("newOrder") - before).toBe(1);
  });

  it("that refuses every nonce is given up after a bounded number of requests", async () => {
    ca.proxy.intercept = async (incoming) => (incoming.resource === "newOrder" ? problem(400, "badNonce", "stale", { "replay-nonce": "abcd" }) : null);
    const before = ca.proxy.count("newOrder");
    await expect(attempt()).rejects.toMatchObject({ code: "acme.server", message: expect.stringContaining("badNonce") });
    expect(ca.proxy.count("newOrder") - before).toBeLessThanOrEqual(25);
  });

  it("and forbids a name through CAA is not asked again soon", async () => {
    ca.proxy.intercept = async (incoming) =>
      isChallenge(incoming)
        ? {
            status: 200,
            headers: {},
            body: JSON.stringify({
              type: "http-01",
              url: "x",
              status: "invalid",
              token: "t",
              error: { type: "urn:ietf:params:acme:error:caa", detail: "CAA forbids" },
            }),
          }
        : null;
    await expect(attempt()).rejects.toMatchObject({ code: "acme.caa", message: expect.stringContaining("CAA forbids") });
  });
});

describe("a CA that takes its time", () => {
  it("is polled no sooner than its Retry-After says", async () => {
    const polls: number[] = [];
    let busy = 2;
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      if (!isOrder(incoming) || !answer.body.includes('"valid"') || busy-- <= 0) return answer;
      polls.push(performance.now());
      return { ...answer, headers: { ...answer.headers, "retry-after": "1" }, body: answer.body.replace('"valid"', '"processing"') };
    };
    await attempt();
    const finished = performance.now();
    expect(polls).toHaveLength(2);
    expect((polls[1] ?? 0) - (polls[0] ?? 0)).toBeGreaterThanOrEqual(950);
    expect(finished - (polls[1] ?? 0)).toBeGreaterThanOrEqual(950);
  });

  it("beyond the order's deadline is left, to be asked again when it said", async () => {
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      if (!isOrder(incoming)) return answer;
      return { ...answer, headers: { ...answer.headers, "retry-after": "600" }, body: answer.body.replace(/"(ready|valid)"/, '"processing"') };
    };
    const started = performance.now();
    const progress = memoryProgress();
    const error = await attempt({}, running(), progress).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "acme.timeout" });
    expect(error instanceof RenewalError ? (error.retryAt ?? 0) - Date.now() : 0).toBeGreaterThan(590_000);
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(progress.state.orderUrl).not.toBeNull();
  });

  it("and never finishes is left after the order's time", async () => {
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      return isOrder(incoming) ? { ...answer, body: answer.body.replace(/"(ready|valid)"/, '"processing"') } : answer;
    };
    await expect(attempt({ orderTimeoutMs: 1500 })).rejects.toMatchObject({ code: "acme.timeout", retryAt: null });
  });

  it("over one request ends it with a timeout", async () => {
    const hold = new AbortController();
    ca.proxy.intercept = async (incoming, forward) => {
      if (incoming.resource === "newOrder") await delay(60_000, undefined, { signal: hold.signal }).catch(() => undefined);
      return forward();
    };
    await expect(attempt({ requestTimeoutMs: 500 })).rejects.toMatchObject({ code: "acme.timeout", message: expect.stringContaining("500 ms") });
    hold.abort();
  });
});

describe("an aborted attempt", () => {
  it.each([
    ["while a challenge is polled", isChallenge],
    ["while the order is polled", isOrder],
  ])("%s ends promptly with the signal's reason and cleans up", async (_case, matches) => {
    const controller = new AbortController();
    const reason = new RenewalError("internal.bug", "shutting down");
    let abortedAt = 0;
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      if (!matches(incoming)) return answer;
      setImmediate(() => {
        abortedAt ||= performance.now();
        controller.abort(reason);
      });
      return { ...answer, headers: { ...answer.headers, "retry-after": "20" }, body: answer.body.replace(/"status": *"\w+"/, '"status": "processing"') };
    };
    await expect(attempt({}, controller.signal)).rejects.toBe(reason);
    expect(performance.now() - abortedAt).toBeLessThan(2000);
    expect(ca.challenges.stored.size).toBe(0);
  });

  it("while a request hangs ends promptly", async () => {
    const controller = new AbortController();
    const hold = new AbortController();
    ca.proxy.intercept = async (_incoming, forward) => {
      controller.abort(new RenewalError("lease.lost", "Another worker has taken over."));
      await delay(60_000, undefined, { signal: hold.signal }).catch(() => undefined);
      return forward();
    };
    await expect(attempt({}, controller.signal)).rejects.toMatchObject({ code: "lease.lost" });
    hold.abort();
  });

  it("before it began asks nothing", async () => {
    const before = ca.proxy.requests.length;
    await expect(attempt({}, AbortSignal.abort(new RenewalError("lease.lost", "late")))).rejects.toMatchObject({ code: "lease.lost" });
    expect(ca.proxy.requests.length).toBe(before);
  });
});

describe("a certificate delivered wrong", () => {
  it.each([
    ["without its chain", (pem: string) => splitPem(pem)[0] ?? "", "the chain is incomplete"],
    ["in the wrong order", (pem: string) => splitPem(pem).reverse().join(""), "another key"],
    ["as something else", () => "<html>", "delivered no certificate"],
  ])("%s is refused; delivered right, it is downloaded without a new order", async (_case, spoil, message) => {
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      return isCertificate(incoming) && answer.status === 200 ? { ...answer, body: spoil(answer.body) } : answer;
    };
    const progress = memoryProgress();
    const wanted = request();
    await expect(ca.issuer().issue(wanted, progress, ca.solver, running())).rejects.toMatchObject({
      code: "acme.badCertificate",
      message: expect.stringContaining(message),
    });
    ca.proxy.intercept = null;
    const orders = ca.proxy.count("newOrder");
    await ca.issuer().issue(wanted, progress, ca.solver, running());
    expect(ca.proxy.count("newOrder")).toBe(orders);
  });

  it("with its intermediates in the wrong order is refused", async () => {
    await using long = await startCa({ env: { PEBBLE_CHAIN_LENGTH: "2" } });
    long.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      if (!isCertificate(incoming) || answer.status !== 200) return answer;
      const [leaf, ...chain] = splitPem(answer.body);
      return { ...answer, body: [leaf, ...chain.reverse()].join("") };
    };
    const failed = long.issuer().issue(request(), memoryProgress(), long.solver, running());
    await expect(failed).rejects.toMatchObject({ code: "acme.badCertificate", message: expect.stringContaining("not in order") });
  });

  it("twice has its order abandoned, so the third attempt gets another", async () => {
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      return isCertificate(incoming) && answer.status === 200 ? { ...answer, body: splitPem(answer.body)[0] ?? "" } : answer;
    };
    const progress = memoryProgress();
    const wanted = request();
    const issue = () => ca.issuer().issue(wanted, progress, ca.solver, running());
    await expect(issue()).rejects.toMatchObject({ code: "acme.badCertificate" });
    expect(progress.abandoned).toEqual([]);
    await expect(issue()).rejects.toMatchObject({ code: "acme.badCertificate" });
    expect(progress.abandoned).toEqual(["the CA's certificate is not usable"]);
    ca.proxy.intercept = null;
    expect((await issue()).chainPem).toHaveLength(1);
  });
});

describe("a directory that cannot be used", () => {
  it("behind an untrusted certificate is refused, naming the issuer and what to set", async () => {
    const stranger = await createRoot();
    const before = ca.proxy.requests.length;
    const failed = attempt({ trustPem: stranger.certPem });
    await expect(failed).rejects.toMatchObject({ code: "acme.untrusted", message: expect.stringMatching(/CA "pebble" .*Set `trust` of issuer "pebble"/) });
    await expect(attempt({ trustPem: null })).rejects.toMatchObject({ code: "acme.untrusted" });
    expect(ca.proxy.requests.length).toBe(before);
  });

  it("is not trusted because its trust file is empty", () => {
    expect(() => ca.issuer({ trustPem: "" })).toThrow(expect.objectContaining({ code: "config.invalid" }));
  });

  it("behind a certificate for another name is refused", async () => {
    const root = await createRoot();
    const { certPem, keyPem } = await root.issue({ names: ["other.example"] });
    const port = await freePort();
    const server = createTlsServer({ cert: certPem, key: keyPem }).listen(port, "127.0.0.1");
    await expect(attempt({ directory: `https://127.0.0.1:${port}/dir`, trustPem: root.certPem })).rejects.toMatchObject({
      code: "acme.untrusted",
      message: expect.stringContaining("another name"),
    });
    server.close();
  });

  it("where nobody listens is a connection refused", async () => {
    const failed = attempt({ directory: `https://127.0.0.1:${await freePort()}/dir` });
    await expect(failed).rejects.toMatchObject({ code: "acme.connection", message: expect.stringContaining("connection refused") });
  });

  it("at a server without TLS is said to be one", async () => {
    const port = await freePort();
    const server = createServer().listen(port, "127.0.0.1");
    const failed = attempt({ directory: `https://127.0.0.1:${port}/dir` });
    await expect(failed).rejects.toMatchObject({ code: "acme.connection", message: expect.stringContaining("does not speak TLS") });
    server.close();
  });

  it("without https is refused", () => {
    expect(() => ca.issuer({ directory: "http://127.0.0.1/dir" })).toThrow(expect.objectContaining({ code: "acme.directory" }));
  });

  it.each([
    ["a page", { status: 200, headers: {}, body: "<html>welcome" }],
    ["JSON of another kind", { status: 200, headers: {}, body: '{"hello":"world"}' }],
    ["404", { status: 404, headers: {}, body: "" }],
    ["a redirect", { status: 302, headers: { location: "/elsewhere" }, body: "" }],
  ])("because it answers with %s is no ACME directory", async (_case, answer) => {
    ca.proxy.intercept = async () => answer;
    await expect(attempt()).rejects.toMatchObject({ code: "acme.directory" });
  });

  it("in maintenance is not blamed on the configuration", async () => {
    ca.proxy.intercept = async () => ({ status: 503, headers: { "retry-after": "60" }, body: "" });
    await expect(attempt()).rejects.toMatchObject({ code: "acme.server", retryAt: expect.any(Number) });
  });

  it("that grows without end is not read to its end", async () => {
    ca.proxy.intercept = async () => ({ status: 200, headers: {}, body: "x".repeat(2_000_000) });
    await expect(attempt()).rejects.toMatchObject({ code: "acme.connection", message: expect.stringContaining("longer than") });
  });
});

describe("a hostile CA", () => {
  it.each([
    ["the directory", (incoming: ProxiedRequest) => incoming.resource === "directory", /"newOrder": *"[^"]*"/, '"newOrder": "https://192.0.2.1/steal"'],
    ["an order", (incoming: ProxiedRequest) => incoming.resource === "newOrder", /https:[^"]*authZ[^"]*/, "https://192.0.2.1/steal"],
    ["an order with credentials", (incoming: ProxiedRequest) => incoming.resource === "newOrder", /https:\/\/([^"]*authZ[^"]*)/, "https://me:you@$1"],
    ["another scheme", (incoming: ProxiedRequest) => incoming.resource === "newOrder", /https:[^"]*authZ[^"]*/, "file:///etc/passwd"],
  ])("that points elsewhere in %s is not followed", async (_case, matches, pattern, replacement) => {
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      return matches(incoming) ? { ...answer, body: answer.body.replace(pattern, replacement) } : answer;
    };
    await expect(attempt()).rejects.toMatchObject({ code: "acme.directory", message: expect.stringContaining("outside https://127.0.0.1:") });
  });

  it("that names an order elsewhere has nothing stored", async () => {
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      return incoming.resource === "newOrder" && answer.status === 201
        ? { ...answer, headers: { ...answer.headers, location: "https://192.0.2.1/order" } }
        : answer;
    };
    const progress = memoryProgress();
    await expect(attempt({}, running(), progress)).rejects.toMatchObject({ code: "acme.server" });
    expect(progress.state.orderUrl).toBeNull();
  });

  it("has its text made harmless", async () => {
    ca.proxy.intercept = async (incoming) =>
      incoming.resource === "newOrder" ? problem(403, "rejectedIdentifier", `\u001b[2J\r\n{"level":60}${"A".repeat(5000)}`) : null;
    const error = await attempt().catch((thrown: unknown) => thrown);
    const { message } = error instanceof RenewalError ? error : new Error("nothing thrown");
    expect(message).toMatch(/^[\x20-\x7e…]+$/);
    expect(message.length).toBeLessThan(600);
  });

  it.each(["../../etc/passwd", "a/b", "", "x".repeat(300), "a\r\nb"])("that sends the token %j has nothing published", async (token) => {
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      if (!incoming.path.startsWith("/authZ/") || answer.status !== 200) return answer;
      return { ...answer, body: answer.body.replace(/"token": *"[^"]*"/g, () => `"token": ${JSON.stringify(token)}`) };
    };
    const before = ca.challenges.seen.length;
    await expect(attempt()).rejects.toMatchObject({ code: "solver.failed" });
    expect(ca.challenges.seen.length).toBe(before);
  });

  it.each(["newOrder", "authZ", "chalZ"])("that answers %s with rubbish fails the attempt only", async (place) => {
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      const hit = incoming.resource === place || incoming.path.startsWith(`/${place}/`);
      return hit && answer.status < 300 ? { ...answer, body: '{"__proto__":{"status":"valid"},"status":["valid"]}' } : answer;
    };
    await expect(attempt()).rejects.toMatchObject({ code: "acme.server" });
  });
});
