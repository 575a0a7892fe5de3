import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RenewalError } from "../../src/domain/errors.ts";
import { Secret } from "../../src/domain/secret.ts";
import { startPebble } from "../support/ca/pebble.ts";
import { memoryProgress } from "../support/model/orderMemory.ts";
import { type CaFixture, issuerOptions, request, running, startCa } from "./caFixture.ts";

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa();
});
afterAll(() => ca[Symbol.asyncDispose]());

function stored(fixture: CaFixture, name: string) {
  return fixture.accounts.stored.get(`${name} ${fixture.proxy.directory}`);
}

describe("the ACME account", () => {
  it("is opened once and used by every issuer that shares the store", async () => {
    await ca.issuer({ name: "lasting" }).issue(request(), memoryProgress(), ca.solvers, running());
    const [account, opened] = [stored(ca, "lasting"), ca.proxy.count("newAccount")];
    expect(account?.url).toMatch(/^https:/);
    await ca.issuer({ name: "lasting" }).issue(request(), memoryProgress(), ca.solvers, running());
    expect(ca.proxy.count("newAccount")).toBe(opened);
    expect(stored(ca, "lasting")).toBe(account);
  });

  it("is one, whichever of many workers opens it first", async () => {
    const urls = new Set<unknown>();
    let turn: Promise<unknown> = Promise.resolve();
    ca.proxy.intercept = async (incoming, forward) => {
      // Pebble fails at a key that it is saving at this moment.
      const inTurn = incoming.resource === "newAccount" ? turn.then(forward) : forward();
      turn = Promise.allSettled([turn, inTurn]);
      const answer = await inTurn;
      if (incoming.resource === "newAccount" && answer.status < 300) urls.add(answer.headers.location);
      return answer;
    };
    const workers = [1, 2, 3, 4].map(() => ca.issuer({ name: "contested" }));
    const results = await Promise.all(
      workers.map((issuer) => issuer.issue(request(), memoryProgress(), ca.solvers, running())),
    );
    ca.proxy.intercept = null;
    expect(new Set(results.map(({ leaf }) => leaf.serial)).size).toBe(4);
    expect([...urls]).toEqual([stored(ca, "contested")?.url]);
  });

  it("is asked for once by the orders of one process that come together, and again by each when that failed", async () => {
    const issuer = ca.issuer({ name: "together" });
    const orders = (): Promise<unknown>[] =>
      [1, 2, 3, 4].map(() => issuer.issue(request(), memoryProgress(), ca.solvers, running()));
    let asked = 0;
    ca.proxy.intercept = async (incoming) => {
      if (incoming.resource !== "newAccount") return null;
      asked += 1;
      return "reset";
    };
    const failed = await Promise.allSettled(orders());
    expect(failed.map(({ status }) => status)).toEqual(Array(4).fill("rejected"));
    expect(asked).toBe(4);
    const statuses: number[] = [];
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      if (incoming.resource === "newAccount") statuses.push(answer.status);
      return answer;
    };
    await Promise.all(orders());
    ca.proxy.intercept = null;
    expect(statuses.filter((status) => status < 300)).toEqual([201]);
  });

  it("keeps no order waiting for the one that asks for it, once that order is to stop", async () => {
    const issuer = ca.issuer({ name: "patient" });
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    ca.proxy.intercept = async (incoming, forward) => {
      if (incoming.resource !== "newAccount") return null;
      asked.resolve();
      await answer.promise;
      return forward();
    };
    const first = issuer.issue(request(), memoryProgress(), ca.solvers, running());
    await asked.promise;
    const stopping = new AbortController();
    const second = issuer.issue(request(), memoryProgress(), ca.solvers, stopping.signal);
    const third = issuer.issue(request(), memoryProgress(), ca.solvers, running());
    stopping.abort(new Error("stopping"));
    await expect(second).rejects.toThrow("stopping");
    answer.resolve();
    await Promise.all([first, third]);
    ca.proxy.intercept = null;
  });

  it("has its key stored before the CA hears of it, so a lost answer makes no second account", async () => {
    ca.proxy.intercept = async (incoming, forward) => {
      if (incoming.resource !== "newAccount") return null;
      const answer = await forward();
      // Pebble refuses a nonce now and then: that request comes again.
      return answer.status >= 400 ? answer : "reset";
    };
    await expect(
      ca.issuer({ name: "interrupted" }).issue(request(), memoryProgress(), ca.solvers, running()),
    ).rejects.toMatchObject({
      code: "acme.connection",
    });
    const key = stored(ca, "interrupted")?.privateKey;
    expect(key).toBeInstanceOf(Secret);
    const statuses: number[] = [];
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      if (incoming.resource === "newAccount") statuses.push(answer.status);
      return answer;
    };
    await ca.issuer({ name: "interrupted" }).issue(request(), memoryProgress(), ca.solvers, running());
    ca.proxy.intercept = null;
    // 200: it existed already (RFC 8555 §7.3).
    expect(statuses.at(-1)).toBe(200);
    expect(stored(ca, "interrupted")?.privateKey).toBe(key);
  });

  it.each([
    ["", {}, "the CA no longer knows the account"],
    [" and gets a changed contact", { contact: ["mailto:new@example.com"] }, "the CA no longer knows the order"],
  ])(
    "is opened anew with the same key when the CA has forgotten everything%s, and the old order is abandoned",
    async (_case, change, why) => {
      await using forgetful = await startCa();
      const progress = memoryProgress();
      const wanted = request();
      await forgetful.issuer().issue(wanted, progress, forgetful.solvers, running());
      const [before, orderUrl] = [stored(forgetful, "pebble"), progress.state.orderUrl];
      await using successor = await startPebble({ httpPort: forgetful.pebble.httpPort });
      forgetful.proxy.upstream = successor;
      const issuer = forgetful.issuer(change);
      const issue = () => issuer.issue(wanted, progress, forgetful.solvers, running());
      // Pebble's bare 404 for an order counts when it repeats.
      if (why === "the CA no longer knows the order")
        await expect(issue()).rejects.toMatchObject({ code: "acme.server" });
      const result = await issue();
      expect(result.leaf.identifiers).toEqual(wanted.identifiers);
      expect(progress.abandoned).toEqual([why]);
      expect(progress.state.orderUrl).not.toBe(orderUrl);
      const after = stored(forgetful, "pebble");
      expect(after?.privateKey).toBe(before?.privateKey);
      expect(progress.events.find(({ type }) => type === "account.replaced")?.detail).toEqual({
        ...{ issuer: "pebble", from: before?.url, to: after?.url, why: "forgotten" },
      });
    },
  );

  it("is refused before the CA is asked when its terms are not agreed to", async () => {
    const asked = ca.proxy.count("newAccount");
    const attempt = ca
      .issuer({ name: "disagreeing", termsOfServiceAgreed: false })
      .issue(request(), memoryProgress(), ca.solvers, running());
    await expect(attempt).rejects.toMatchObject({
      code: "acme.account",
      message: expect.stringContaining("termsOfServiceAgreed"),
    });
    expect(ca.proxy.count("newAccount")).toBe(asked);
  });

  it("is refused by the CA when the contact is not one", async () => {
    const attempt = ca
      .issuer({ name: "nameless", contact: ["mailto:not-an-address"] })
      .issue(request(), memoryProgress(), ca.solvers, running());
    await expect(attempt).rejects.toMatchObject({ code: "acme.account" });
  });
});

describe("an account that needs an external account binding", () => {
  const hmacKey = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
  let bound: CaFixture;
  beforeAll(async () => {
    bound = await startCa({ externalAccountKeys: { "kid-1": hmacKey } });
  });
  afterAll(() => bound[Symbol.asyncDispose]());

  it("is opened with the right key", async () => {
    const issuer = bound.issuer({ externalAccount: { keyId: "kid-1", hmacKey: async () => new Secret(hmacKey) } });
    const { leaf } = await issuer.issue(request(), memoryProgress(), bound.solvers, running());
    expect(leaf.serial).not.toBe("");
  });

  it("is refused without one, saying what to set", async () => {
    const attempt = bound.issuer({ name: "unbound" }).issue(request(), memoryProgress(), bound.solvers, running());
    await expect(attempt).rejects.toMatchObject({
      code: "acme.account",
      message: expect.stringContaining("externalAccount"),
    });
  });

  it("needs the binding's secret once: it may be gone afterwards, and before that only this issuer waits", async () => {
    const present = { keyId: "kid-1", hmacKey: async () => new Secret(hmacKey) };
    const missing = {
      keyId: "kid-1",
      hmacKey: () => Promise.reject(new RenewalError("config.secret", "the environment variable CA_HMAC is not set")),
    };
    const issue = (externalAccount: typeof present) =>
      bound.issuer({ name: "once", externalAccount }).issue(request(), memoryProgress(), bound.solvers, running());
    await expect(issue(missing)).rejects.toMatchObject({
      code: "acme.account",
      message: expect.stringMatching(/externalAccount.hmacKey of issuer "once": .*CA_HMAC is not set/),
    });
    await issue(present);
    await issue(missing);
  });

  it("is refused with the wrong key, which is not shown", async () => {
    const wrong = Buffer.from("wrong-key-wrong-key-wrong-key-32").toString("base64url");
    const issuer = bound.issuer({
      name: "misbound",
      externalAccount: { keyId: "kid-1", hmacKey: async () => new Secret(wrong) },
    });
    const error = await issuer
      .issue(request(), memoryProgress(), bound.solvers, running())
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "acme.account" });
    expect(JSON.stringify(error) + String(error)).not.toContain(wrong);
    expect(issuerOptions(bound.proxy).externalAccount).toBeNull();
  });
});
