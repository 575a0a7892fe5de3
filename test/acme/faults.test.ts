import { once } from "node:events";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { RenewalError } from "../../src/domain/errors.ts";
import { splitPem } from "../../src/x509/pem.ts";
import type { ProxiedRequest, ProxyAnswer } from "../support/ca/acmeProxy.ts";
import { named } from "../support/dns/dependencies.ts";
import { memoryProgress } from "../support/model/orderMemory.ts";
import { type CaFixture, request, running, startCa } from "./caFixture.ts";

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa();
  // The account exists, so each test's faults hit the order.
  await ca.issuer().issue(request(), memoryProgress(), ca.solvers, running());
});
afterAll(() => ca[Symbol.asyncDispose]());
afterEach(() => {
  ca.proxy.intercept = null;
});

const PROBLEM = { "content-type": "application/problem+json" };
function problem(status: number, name: string, detail: string, headers: Record<string, string> = {}): ProxyAnswer {
  return {
    status,
    headers: { ...PROBLEM, ...headers },
    body: JSON.stringify({ type: `urn:ietf:params:acme:error:${name}`, detail }),
  };
}

const isOrder = ({ path, payload }: ProxiedRequest): boolean => path.startsWith("/my-order/") && payload === null;
const isChallenge = ({ path }: ProxiedRequest): boolean => path.startsWith("/chalZ/");
const isCertificate = ({ path }: ProxiedRequest): boolean => path.startsWith("/certZ/");

function attempt(change: Parameters<CaFixture["issuer"]>[0] = {}, signal = running(), progress = memoryProgress()) {
  return ca.issuer(change).issue(request(), progress, ca.solvers, signal);
}

describe("a CA that limits or fails", () => {
  it("with 429 and Retry-After is asked once and left alone until then", async () => {
    ca.proxy.intercept = async (incoming) =>
      incoming.resource === "newOrder"
        ? problem(429, "rateLimited", "too many orders", { "retry-after": "3600", "replay-nonce": "abcd" })
        : null;
    const before = ca.proxy.count("newOrder");
    const started = Date.now();
    const error = await attempt().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "acme.rateLimited",
      message: 'CA "pebble" refused to open an order: too many orders (rateLimited)',
    });
    const retryAt = error instanceof RenewalError ? (error.retryAt ?? 0) : 0;
    expect(retryAt - started).toBeGreaterThanOrEqual(3600_000);
    expect(retryAt - Date.now()).toBeLessThanOrEqual(3600_000);
    expect(ca.proxy.count("newOrder") - before).toBe(1);
  });

  it("with 429 as a date is understood, also for a nonce", async () => {
    const date = new Date(Date.now() + 7200_000).toUTCString();
    ca.proxy.intercept = async (incoming) =>
      incoming.resource === "newNonce" ? problem(429, "rateLimited", "slow", { "retry-after": date }) : null;
    await expect(attempt()).rejects.toMatchObject({ code: "acme.rateLimited", retryAt: Date.parse(date) });
  });

  it.each([
    [500, "acme.server"],
    [503, "acme.server"],
  ])("with status %i fails the attempt at once as %s", async (status, code) => {
    ca.proxy.intercept = async (incoming) =>
      incoming.resource === "newOrder" ? { status, headers: {}, body: "<html>oops" } : null;
    const before = ca.proxy.count("newOrder");
    await expect(attempt()).rejects.toMatchObject({ code });
    expect(ca.proxy.count("newOrder") - before).toBe(1);
  });

  it("with status 503 that says until when fails the attempt and is left alone until then", async () => {
    ca.proxy.intercept = async (incoming) =>
      incoming.resource === "newOrder" ? problem(503, "serverInternal", "too busy", { "retry-after": "600" }) : null;
    const error = await attempt().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "acme.server", message: expect.stringContaining("too busy") });
    const waitMs = error instanceof RenewalError ? (error.retryAt ?? 0) - Date.now() : 0;
    expect(waitMs).toBeGreaterThan(590_000);
    expect(waitMs).toBeLessThanOrEqual(600_000);
  });

  it.each([
    [429, "acme.rateLimited"],
    [503, "acme.server"],
  ])(
    "with status %i while it validates is not robbed of the answers it may be reading right now",
    async (status, code) => {
      let polled = false;
      ca.proxy.intercept = async (incoming) => {
        if (!isChallenge(incoming) || incoming.payload !== null) return null;
        polled = true;
        return problem(status, "rateLimited", "too many polls", { "retry-after": "60" });
      };
      const [progress, wanted, standing] = [memoryProgress(), request(), ca.challenges.stored.size];
      const issue = () => ca.issuer().issue(wanted, progress, ca.solvers, running());
      await expect(issue()).rejects.toMatchObject({ code });
      expect(polled).toBe(true);
      expect(ca.challenges.stored.size).toBe(standing + 1);
      ca.proxy.intercept = null;
      await issue();
      expect(progress.events.filter(({ type }) => type === "order.created")).toHaveLength(1);
      expect(ca.challenges.stored.size).toBe(standing);
    },
  );

  it("that refuses every nonce is given up after a bounded number of requests", async () => {
    ca.proxy.intercept = async (incoming) =>
      incoming.resource === "newOrder" ? problem(400, "badNonce", "stale", { "replay-nonce": "abcd" }) : null;
    const before = ca.proxy.count("newOrder");
    await expect(attempt()).rejects.toMatchObject({
      code: "acme.server",
      message: expect.stringContaining("badNonce"),
    });
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
    await expect(attempt()).rejects.toMatchObject({
      code: "acme.caa",
      message: expect.stringContaining("CAA forbids"),
    });
  });
});

describe("a CA that takes its time", () => {
  it("to mark an authorized order ready is asked until it does, and nothing is ordered twice", async () => {
    let early = true;
    let pending = 2;
    ca.proxy.intercept = async (incoming, forward) => {
      if (incoming.path.startsWith("/finalize-order/") && early) {
        early = false;
        return problem(403, "orderNotReady", "not yet");
      }
      const answer = await forward();
      if (!isOrder(incoming) || pending-- <= 0) return answer;
      return { ...answer, body: answer.body.replace('"ready"', '"pending"') };
    };
    const progress = memoryProgress();
    await expect(attempt({}, running(), progress)).resolves.toMatchObject({ leaf: { keyType: "ecdsa-p256" } });
    expect(early).toBe(false);
    // Not requests: Pebble refuses one nonce in twenty, and asking again opens no second order.
    expect(progress.events.filter(({ type }) => type === "order.created")).toHaveLength(1);
    expect(progress.events.filter(({ type }) => type === "order.finalized")).toHaveLength(1);
  });

  it("is polled no sooner than its Retry-After says", async () => {
    const polls: number[] = [];
    let busy = 2;
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      if (!isOrder(incoming) || !answer.body.includes('"valid"') || busy-- <= 0) return answer;
      polls.push(performance.now());
      return {
        ...answer,
        headers: { ...answer.headers, "retry-after": "1" },
        body: answer.body.replace('"valid"', '"processing"'),
      };
    };
    await attempt();
    const finished = performance.now();
    expect(polls).toHaveLength(2);
    expect((polls[1] ?? 0) - (polls[0] ?? 0)).toBeGreaterThanOrEqual(950);
    expect(finished - (polls[1] ?? 0)).toBeGreaterThanOrEqual(950);
  });

  it.each([
    ["the order", isOrder],
    ["the finalized order", ({ path }: ProxiedRequest) => path.startsWith("/finalize-order/")],
    ["a challenge", isChallenge],
  ])(
    "and asks for a day with %s, which is done a moment later, is asked again by our own clock",
    async (_case, matches) => {
      let busy = 2;
      ca.proxy.intercept = async (incoming, forward) => {
        const answer = await forward();
        if (!matches(incoming) || answer.status !== 200 || busy-- <= 0) return answer;
        return {
          ...answer,
          headers: { ...answer.headers, "retry-after": "86400" },
          body: answer.body.replace(/"status": *"(ready|valid|pending)"/, '"status": "processing"'),
        };
      };
      await expect(attempt()).resolves.toMatchObject({ leaf: { keyType: "ecdsa-p256" } });
      expect(busy).toBeLessThan(2);
    },
  );

  it("beyond the order's deadline is left, and asked again within the hour whatever it said", async () => {
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      if (!isOrder(incoming)) return answer;
      return {
        ...answer,
        headers: { ...answer.headers, "retry-after": "3155760000" },
        body: answer.body.replace(/"(ready|valid)"/, '"processing"'),
      };
    };
    const progress = memoryProgress();
    const error = await attempt({ orderTimeoutMs: 1_500 }, running(), progress).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "acme.timeout" });
    const waitMs = error instanceof RenewalError ? (error.retryAt ?? 0) - Date.now() : 0;
    expect(waitMs).toBeGreaterThan(3_500_000);
    expect(waitMs).toBeLessThanOrEqual(3_600_000);
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
      if (incoming.resource === "newOrder") await once(hold.signal, "abort");
      return forward();
    };
    await expect(attempt({ requestTimeoutMs: 500 })).rejects.toMatchObject({
      code: "acme.timeout",
      message: expect.stringContaining("0.5 s"),
    });
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
      return {
        ...answer,
        headers: { ...answer.headers, "retry-after": "20" },
        body: answer.body.replace(/"status": *"\w+"/, '"status": "processing"'),
      };
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
      await once(hold.signal, "abort");
      return forward();
    };
    await expect(attempt({}, controller.signal)).rejects.toMatchObject({ code: "lease.lost" });
    hold.abort();
  });

  it("ends promptly although the solver does not listen, and its clean-up still runs", async () => {
    const controller = new AbortController();
    const cleaned: string[] = [];
    const deaf = {
      ...ca.solver,
      present: () => {
        setImmediate(() => controller.abort(new Error("shutting down")));
        return new Promise<void>(() => undefined);
      },
      cleanUp: async ({ token }: { token: string }) => void cleaned.push(token),
    };
    await expect(ca.issuer().issue(request(), memoryProgress(), [named(deaf)], controller.signal)).rejects.toThrow(
      "shutting down",
    );
    expect(cleaned).toHaveLength(1);
  });

  it("before it began asks nothing", async () => {
    const before = ca.proxy.requests.length;
    await expect(attempt({}, AbortSignal.abort(new RenewalError("lease.lost", "late")))).rejects.toMatchObject({
      code: "lease.lost",
    });
    expect(ca.proxy.requests.length).toBe(before);
  });
});

describe("a certificate delivered wrong", () => {
  it.each([
    ["without its chain", (pem: string) => splitPem(pem)[0] ?? "", "the chain is incomplete"],
    ["without its leaf", (pem: string) => splitPem(pem)[1] ?? "", "another key"],
    ["as something else", () => "<html>", "delivered no certificate"],
  ])("%s is refused; delivered right, it is downloaded without a new order", async (_case, spoil, message) => {
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      return isCertificate(incoming) && answer.status === 200 ? { ...answer, body: spoil(answer.body) } : answer;
    };
    const progress = memoryProgress();
    const wanted = request();
    await expect(ca.issuer().issue(wanted, progress, ca.solvers, running())).rejects.toMatchObject({
      code: "acme.badCertificate",
      message: expect.stringContaining(message),
    });
    ca.proxy.intercept = null;
    const orders = ca.proxy.count("newOrder");
    await ca.issuer().issue(wanted, progress, ca.solvers, running());
    expect(ca.proxy.count("newOrder")).toBe(orders);
  });

  it("with its chain in the wrong order is put in order", async () => {
    await using long = await startCa({ env: { PEBBLE_CHAIN_LENGTH: "2" } });
    let sent: string[] = [];
    long.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      if (!isCertificate(incoming) || answer.status !== 200) return answer;
      sent = splitPem(answer.body);
      return { ...answer, body: sent.toReversed().join("") };
    };
    const { leafPem, chainPem } = await long.issuer().issue(request(), memoryProgress(), long.solvers, running());
    expect([leafPem, ...chainPem]).toEqual(sent);
  });
});
