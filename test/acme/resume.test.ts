import { getEventListeners } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RenewalError } from "../../src/domain/errors.ts";
import { Stopping } from "../../src/domain/stopping.ts";
import { generateKey, keyMatches } from "../../src/x509/key.ts";
import type { Interceptor } from "../support/ca/acmeProxy.ts";
import { named } from "../support/dns/dependencies.ts";
import { type MemoryProgress, memoryProgress } from "../support/model/orderMemory.ts";
import { type CaFixture, request, running, startCa } from "./caFixture.ts";

let ca: CaFixture;
beforeAll(async () => {
  // Authorizations are not reused, so that every order needs its own challenge.
  ca = await startCa({ env: { PEBBLE_AUTHZREUSE: "0" } });
});
afterAll(() => ca[Symbol.asyncDispose]());

class Crash extends Error {}

function crashAt(when: "beforeSave" | "afterSave", save: number): MemoryProgress {
  const progress = memoryProgress();
  progress[when] = (current) => {
    if (current === save) throw new Crash();
  };
  return progress;
}

/** newOrder requests the CA accepted: a refused nonce opens nothing. */
function countOrders(): { count: () => number; intercept: Interceptor } {
  let opened = 0;
  const intercept: Interceptor = async (incoming, forward) => {
    const answer = await forward();
    if (incoming.resource === "newOrder" && answer.status === 201) opened++;
    return answer;
  };
  return { count: () => opened, intercept };
}

// The saves of an order without obstacles: key and order URL, challenge presented, CSR, finalized.
const SAVES = [1, 2, 3, 4];
const ORDER_URL_SAVE = 1;

describe("an attempt that ends", () => {
  it("is one of four saves, so the table below misses none", async () => {
    const progress = memoryProgress();
    await ca.issuer().issue(request(), progress, ca.solvers, running());
    expect(progress.saves).toBe(SAVES.length);
  });

  it.each(SAVES.flatMap((save) => [{ when: "beforeSave", save } as const, { when: "afterSave", save } as const]))(
    "$when $save is taken up by the next with the same key and order",
    async ({ when, save }) => {
      const progress = crashAt(when, save);
      const wanted = request();
      const orders = countOrders();
      ca.proxy.intercept = orders.intercept;
      await expect(ca.issuer().issue(wanted, progress, ca.solvers, running())).rejects.toThrow(Crash);
      const left = progress.state;
      progress[when] = null;
      const result = await ca.issuer().issue(wanted, progress, ca.solvers, running());
      ca.proxy.intercept = null;
      expect(result.leaf.identifiers).toEqual(wanted.identifiers);
      // Only a crash between the CA's answer and storing the URL costs a second order.
      expect(orders.count()).toBe(when === "beforeSave" && save === ORDER_URL_SAVE ? 2 : 1);
      // The key is kept with its order, or neither is.
      expect(left.privateKey === null).toBe(left.orderUrl === null);
      if (left.privateKey !== null) expect(keyMatches(result.leafPem, left.privateKey)).toBe(true);
      if (left.orderUrl !== null) expect(progress.events.map((event) => event.type)).toContain("order.resumed");
      expect(progress.abandoned).toEqual([]);
      expect(ca.challenges.stored.size, "no answer is left standing").toBe(0);
    },
  );

  it("after its challenge was accepted leaves an answer that the next attempt removes", async () => {
    const progress = memoryProgress();
    const wanted = request();
    const dying = new AbortController();
    // As a killed process: nothing runs after the request to validate, not even the clean-up.
    const solver = { ...ca.solver, cleanUp: async () => {} };
    progress.beforeSave = (save) => {
      if (save === 3) dying.abort(new Crash());
    };
    await expect(ca.issuer().issue(wanted, progress, [named(solver)], dying.signal)).rejects.toThrow(Crash);
    expect(ca.challenges.stored.size).toBe(1);
    progress.beforeSave = null;
    await ca.issuer().issue(wanted, progress, ca.solvers, running());
    expect(ca.challenges.stored.size).toBe(0);
  });

  it("when the CA was unreachable leaves answers, which are removed even if one has failed meanwhile", async () => {
    const progress = memoryProgress();
    const wanted = request(["one.example.org", "two.example.org"]);
    ca.proxy.intercept = async ({ path }) =>
      path.startsWith("/chalZ/") ? { status: 503, headers: {}, body: "" } : null;
    const issue = () => ca.issuer().issue(wanted, progress, ca.solvers, running());
    await expect(issue()).rejects.toMatchObject({ code: "acme.server" });
    expect(ca.challenges.stored.size).toBe(2);
    ca.proxy.intercept = async ({ path }, forward) => {
      const answer = await forward();
      return path.startsWith("/authZ/")
        ? { ...answer, body: answer.body.replace(/"status": *"\w+"/g, '"status": "invalid"') }
        : answer;
    };
    const error = await issue().catch((thrown: unknown) => thrown);
    ca.proxy.intercept = null;
    expect(error).toMatchObject({ code: "acme.orderInvalid" });
    expect(ca.challenges.stored.size).toBe(0);
  });

  it("between finalize and download only downloads", async () => {
    const progress = crashAt("afterSave", 4);
    const wanted = request();
    await expect(ca.issuer().issue(wanted, progress, ca.solvers, running())).rejects.toThrow(Crash);
    progress.afterSave = null;
    const before = ca.proxy.requests.length;
    await ca.issuer().issue(wanted, progress, ca.solvers, running());
    const payloads = ca.proxy.requests.slice(before).filter(({ payload }) => payload !== null);
    expect(payloads).toEqual([]);
  });

  it("after the whole delivery is downloaded again, the same certificate", async () => {
    const progress = memoryProgress();
    const wanted = request();
    const first = await ca.issuer().issue(wanted, progress, ca.solvers, running());
    const second = await ca.issuer().issue(wanted, progress, ca.solvers, running());
    expect(second.leaf.fingerprint).toBe(first.leaf.fingerprint);
  });

  it("while the CA opens its order still learns which one it is", async () => {
    const progress = memoryProgress();
    const wanted = request();
    const orders = countOrders();
    const losing = new AbortController();
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await orders.intercept(incoming, forward);
      if (orders.count() > 0) losing.abort(new RenewalError("lease.lost", "the lease ran out"));
      return answer;
    };
    await expect(ca.issuer().issue(wanted, progress, ca.solvers, losing.signal)).rejects.toMatchObject({
      code: "lease.lost",
    });
    ca.proxy.intercept = orders.intercept;
    await ca.issuer().issue(wanted, progress, ca.solvers, running());
    ca.proxy.intercept = null;
    expect(orders.count()).toBe(1);
  });

  it("while the CA opens its order waits no longer when its process stops", async () => {
    const stopping = new AbortController();
    const answered = Promise.withResolvers<void>();
    ca.proxy.intercept = async ({ resource }) => {
      if (resource !== "newOrder") return null;
      stopping.abort(new Stopping());
      await answered.promise;
      return "reset";
    };
    await expect(ca.issuer().issue(request(), memoryProgress(), ca.solvers, stopping.signal)).rejects.toBeInstanceOf(
      Stopping,
    );
    answered.resolve();
    ca.proxy.intercept = null;
  });

  it("leaves no listener with the signal of its worker, which would keep all of it in memory", async () => {
    const { signal } = new AbortController();
    await ca.issuer().issue(request(), memoryProgress(), ca.solvers, signal);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("when the answer to finalize is lost resumes the order it finalized", async () => {
    const progress = memoryProgress();
    const wanted = request();
    const orders = countOrders();
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await orders.intercept(incoming, forward);
      const finalized = typeof answer === "object" && answer?.status === 200 && incoming.path.includes("finalize");
      return finalized ? "reset" : answer;
    };
    await expect(ca.issuer().issue(wanted, progress, ca.solvers, running())).rejects.toMatchObject({
      code: "acme.connection",
    });
    ca.proxy.intercept = orders.intercept;
    await ca.issuer().issue(wanted, progress, ca.solvers, running());
    ca.proxy.intercept = null;
    expect(orders.count()).toBe(1);
  });

  it("because another worker took over stops at once and leaves the shared challenge alone", async () => {
    const progress = memoryProgress();
    progress.beforeSave = (save) => {
      if (save === 2) throw new RenewalError("lease.lost", "Another worker has taken over.");
    };
    const before = ca.challenges.stored.size;
    await expect(ca.issuer().issue(request(), progress, ca.solvers, running())).rejects.toMatchObject({
      code: "lease.lost",
    });
    expect(ca.challenges.stored.size).toBe(before + 1);
  });
});

describe("a stored order that cannot be used", () => {
  it.each([
    [
      "is unknown to the CA",
      async (progress: MemoryProgress) => set(progress, { orderUrl: `${progress.state.orderUrl}x` }),
      "the CA no longer knows the order",
    ],
    [
      "is another CA's",
      async (progress: MemoryProgress) => set(progress, { orderUrl: "https://192.0.2.1/order/1" }),
      "the order belongs to another CA's directory",
    ],
    [
      "was finalized with a lost request",
      async (progress: MemoryProgress) => set(progress, { csr: null }),
      "the order was finalized with a request that is lost",
    ],
    [
      "was finalized with a lost key",
      async (progress: MemoryProgress) => set(progress, { privateKey: null }),
      "the order was finalized with a request that is lost",
    ],
    [
      "was finalized with a key of another type",
      async (progress: MemoryProgress) => set(progress, { privateKey: await generateKey("ecdsa-p384") }),
      "the order was finalized with a request that is lost",
    ],
  ])("because it %s is abandoned for one new order", async (_why, spoil, why) => {
    const progress = memoryProgress();
    const wanted = request();
    const first = await ca.issuer().issue(wanted, progress, ca.solvers, running());
    await spoil(progress);
    const orders = countOrders();
    ca.proxy.intercept = orders.intercept;
    const issuer = ca.issuer();
    const issue = () => issuer.issue(wanted, progress, ca.solvers, running());
    // One 404 without a word of the CA may be a passing fault: the second one counts.
    if (why === "the CA no longer knows the order")
      await expect(issue()).rejects.toMatchObject({ code: "acme.server" });
    const second = await issue();
    ca.proxy.intercept = null;
    expect(progress.abandoned).toEqual([why]);
    expect(orders.count()).toBe(1);
    expect(second.leaf.serial).not.toBe(first.leaf.serial);
  });

  it("because the names changed is abandoned", async () => {
    const progress = memoryProgress();
    await ca.issuer().issue(request(), progress, ca.solvers, running());
    const wanted = request();
    const { leaf } = await ca.issuer().issue(wanted, progress, ca.solvers, running());
    expect(leaf.identifiers).toEqual(wanted.identifiers);
    expect(progress.abandoned).toEqual(["the order is for other names"]);
  });

  it("because it expired unused is abandoned", async () => {
    const progress = crashAt("afterSave", ORDER_URL_SAVE);
    const wanted = request();
    await expect(ca.issuer().issue(wanted, progress, ca.solvers, running())).rejects.toThrow(Crash);
    progress.afterSave = null;
    const orderPath = new URL(progress.state.orderUrl ?? "").pathname;
    ca.proxy.intercept = async (incoming, forward) => {
      if (incoming.path !== orderPath) return null;
      const answer = await forward();
      return { ...answer, body: answer.body.replace(/"expires": *"[^"]*"/, '"expires": "2020-01-01T00:00:00Z"') };
    };
    await ca.issuer().issue(wanted, progress, ca.solvers, running());
    ca.proxy.intercept = null;
    expect(progress.abandoned).toEqual(["the order expired"]);
  });

  it("does not fail the order that takes its place when the CA has forgotten what was answered for it", async () => {
    const progress = crashAt("afterSave", ORDER_URL_SAVE);
    const wanted = request();
    await expect(ca.issuer().issue(wanted, progress, ca.solvers, running())).rejects.toThrow(Crash);
    progress.afterSave = null;
    const orderPath = new URL(progress.state.orderUrl ?? "").pathname;
    let forgotten = "none";
    ca.proxy.intercept = async (incoming, forward) => {
      if (incoming.path === forgotten) {
        const body = JSON.stringify({ type: "urn:ietf:params:acme:error:malformed", detail: "no such authorization" });
        return { status: 404, headers: { "content-type": "application/problem+json" }, body };
      }
      if (incoming.path !== orderPath) return null;
      const answer = await forward();
      // Pebble refuses a nonce now and then: that request comes again.
      if (answer.status >= 400) return answer;
      const { authorizations } = JSON.parse(answer.body) as { authorizations: string[] };
      forgotten = new URL(authorizations[0] ?? "").pathname;
      return { ...answer, body: answer.body.replace(/"expires": *"[^"]*"/, '"expires": "2020-01-01T00:00:00Z"') };
    };
    const { leaf } = await ca.issuer().issue(wanted, progress, ca.solvers, running());
    ca.proxy.intercept = null;
    expect(leaf.identifiers).toEqual(wanted.identifiers);
    expect(progress.abandoned).toEqual(["the order expired"]);
  });

  it.each([
    [403, "unauthorized"],
    [404, "malformed"],
    [400, "accountDoesNotExist"],
  ])(
    "because the CA said once with %i %s is kept: a finalized order issues no second certificate",
    async (status, type) => {
      const progress = memoryProgress();
      const wanted = request();
      const first = await ca.issuer().issue(wanted, progress, ca.solvers, running());
      const orderPath = new URL(progress.state.orderUrl ?? "").pathname;
      let asked = 0;
      ca.proxy.intercept = async ({ path }) => {
        if (path !== orderPath || ++asked > 1) return null;
        const body = JSON.stringify({ type: `urn:ietf:params:acme:error:${type}`, detail: "not this time" });
        return { status, headers: { "content-type": "application/problem+json" }, body };
      };
      const issue = () => ca.issuer().issue(wanted, progress, ca.solvers, running());
      const again = await issue().catch(issue);
      ca.proxy.intercept = null;
      expect(progress.abandoned).toEqual([]);
      expect(again.leaf.serial).toBe(first.leaf.serial);
    },
  );

  it("for a passing reason is kept", async () => {
    const progress = memoryProgress();
    const wanted = request();
    await ca.issuer().issue(wanted, progress, ca.solvers, running());
    ca.proxy.intercept = async () => ({ status: 503, headers: {}, body: "" });
    await expect(ca.issuer().issue(wanted, progress, ca.solvers, running())).rejects.toMatchObject({
      code: "acme.server",
    });
    ca.proxy.intercept = null;
    expect(progress.abandoned).toEqual([]);
    expect(progress.state.orderUrl).not.toBeNull();
  });
});

async function set(progress: MemoryProgress, change: Partial<MemoryProgress["state"]>): Promise<void> {
  progress.state = { ...progress.state, ...change };
}
