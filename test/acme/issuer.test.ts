import { X509Certificate } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KEY_TYPES } from "../../src/domain/certificate.ts";
import { RenewalError } from "../../src/domain/errors.ts";
import type { IssueResult } from "../../src/domain/issuer.ts";
import { keyMatches, keyTypeOf } from "../../src/x509/key.ts";
import { splitPem } from "../../src/x509/pem.ts";
import { named } from "../support/dns/dependencies.ts";
import { memoryProgress } from "../support/model/orderMemory.ts";
import { type CaFixture, request, running, startCa } from "./caFixture.ts";

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa({ domainBlocklist: ["blocked.example"] });
});
afterAll(() => ca[Symbol.asyncDispose]());

async function chainsToRoot(result: IssueResult): Promise<boolean> {
  const [root = ""] = splitPem(await ca.pebble.rootPem());
  const top = new X509Certificate(result.chainPem.at(-1) ?? "");
  return top.verify(new X509Certificate(root).publicKey);
}

describe("issuing at Pebble", () => {
  it.each(KEY_TYPES)("delivers a checked pair with a %s key", async (keyType) => {
    const progress = memoryProgress();
    const result = await ca.issuer().issue(request(undefined, keyType), progress, ca.solvers, running());
    expect(result.leaf.keyType).toBe(keyType);
    expect(keyTypeOf(result.privateKey)).toBe(keyType);
    expect(keyMatches(result.leafPem, result.privateKey)).toBe(true);
    expect(await chainsToRoot(result)).toBe(true);
    expect(progress.state.privateKey).toBe(result.privateKey);
  });

  it("tells the history what it did, in order", async () => {
    const progress = memoryProgress();
    const wanted = request();
    await ca.issuer().issue(wanted, progress, ca.solvers, running());
    expect(progress.events.map((event) => event.type)).toEqual([
      "order.created",
      "challenge.presented",
      "order.finalized",
    ]);
    expect(progress.events[1]?.detail).toEqual({ identifier: wanted.certificate, challenge: "http-01" });
  });

  it("answers one challenge per name and leaves none behind", async () => {
    const before = ca.challenges.seen.length;
    const names = ["one.multi.example", "two.multi.example", "three.multi.example"];
    const result = await ca.issuer().issue(request(names), memoryProgress(), ca.solvers, running());
    expect(result.leaf.identifiers.map(({ value }) => value).sort()).toEqual([...names].sort());
    expect(ca.challenges.seen.length - before).toBe(3);
    expect(ca.challenges.stored.size).toBe(0);
  });

  it("needs at most seven requests, not counting polls, and no new connection once an issuer is warm", async () => {
    const issuer = ca.issuer();
    await issuer.issue(request(), memoryProgress(), ca.solvers, running());
    const [earlier, connections, nonces] = [
      ca.proxy.requests.length,
      ca.proxy.connections(),
      ca.proxy.count("newNonce"),
    ];
    await issuer.issue(request(), memoryProgress(), ca.solvers, running());
    // Repeated are polls, as often as Pebble takes its time, and what it refuses for a nonce, 5 % at random.
    const different = new Set(
      ca.proxy.requests.slice(earlier).map(({ path, payload }) => `${path} ${JSON.stringify(payload)}`),
    );
    expect([...different].length).toBeLessThanOrEqual(7);
    expect(ca.proxy.connections()).toBe(connections);
    expect(ca.proxy.count("newNonce")).toBe(nonces);
  });

  it("names the refused name when the CA rejects an identifier", async () => {
    const attempt = ca
      .issuer()
      .issue(request(["fine.example.org", "www.blocked.example"]), memoryProgress(), ca.solvers, running());
    await expect(attempt).rejects.toMatchObject({
      code: "acme.rejectedIdentifier",
      message: expect.stringContaining("blocked.example"),
    });
  });

  it("says what was offered when the solver's challenge type is not", async () => {
    const solver = { ...ca.solver, challengeType: "dns-persist-99" };
    const attempt = ca.issuer().issue(request(), memoryProgress(), [named(solver)], running());
    await expect(attempt).rejects.toMatchObject({
      code: "acme.noChallenge",
      message: expect.stringMatching(/no dns-persist-99 .*only .*http-01/),
    });
  });

  it("reports the name the CA could not validate, cleans up, and opens a new order next time", async () => {
    const progress = memoryProgress();
    const wanted = request();
    const empty = { ...ca.solver, present: async () => undefined };
    const failed = ca.issuer().issue(wanted, progress, [named(empty)], running());
    await expect(failed).rejects.toMatchObject({
      code: "acme.unauthorized",
      message: expect.stringContaining(wanted.certificate),
    });
    const result = await ca.issuer().issue(wanted, progress, ca.solvers, running());
    expect(result.leaf.identifiers).toEqual(wanted.identifiers);
    expect(progress.abandoned).toEqual(["the CA declared the order invalid"]);
  });

  it("keeps a failing clean-up out of the way but in the history", async () => {
    const progress = memoryProgress();
    const solver = {
      ...ca.solver,
      cleanUp: async () => {
        throw new RenewalError("solver.failed", "disk on fire");
      },
    };
    await ca.issuer().issue(request(), progress, [named(solver)], running());
    expect(progress.events.find((event) => event.type === "challenge.cleanUpFailed")?.detail).toMatchObject({
      code: "solver.failed",
      message: "disk on fire",
    });
  });

  it("cleans up what it presented when the solver fails half-way, and blames the solver", async () => {
    const cleaned: string[] = [];
    const solver = {
      ...ca.solver,
      present: async () => {
        throw new TypeError("no such zone");
      },
      cleanUp: async ({ token }: { token: string }) => void cleaned.push(token),
    };
    const attempt = ca.issuer().issue(request(), memoryProgress(), [named(solver)], running());
    await expect(attempt).rejects.toMatchObject({
      code: "solver.failed",
      message: expect.stringContaining("no such zone"),
    });
    expect(cleaned).toHaveLength(1);
  });

  it("waits for the solver before it tells the CA", async () => {
    const order: string[] = [];
    const solver = {
      ...ca.solver,
      readiness: async () => {
        order.push(ca.challenges.stored.size > 0 ? "presented" : "not presented");
        return { ready: true, note: null } as const;
      },
    };
    await ca.issuer().issue(request(), memoryProgress(), [named(solver)], running());
    expect(order).toEqual(["presented"]);
  });
});

describe("issuing at a difficult Pebble", () => {
  it.each(["0", "50"])("succeeds with a nonce rejection of %s percent", async (percent) => {
    await using difficult = await startCa({ env: { PEBBLE_WFE_NONCEREJECT: percent } });
    const issuer = difficult.issuer();
    const results = [];
    for (let i = 0; i < 3; i++)
      results.push(await issuer.issue(request(), memoryProgress(), difficult.solvers, running()));
    expect(results).toHaveLength(3);
  });

  it("succeeds while Pebble sleeps before each validation", async () => {
    await using sleepy = await startCa({ env: { PEBBLE_VA_NOSLEEP: "0", PEBBLE_VA_SLEEPTIME: "2" } });
    const result = await sleepy.issuer().issue(request(), memoryProgress(), sleepy.solvers, running());
    expect(result.chainPem).toHaveLength(1);
  });

  it("presents nothing when authorizations are reused", async () => {
    await using reusing = await startCa({ env: { PEBBLE_AUTHZREUSE: "100" } });
    const wanted = request();
    await reusing.issuer().issue(wanted, memoryProgress(), reusing.solvers, running());
    expect(reusing.challenges.seen).toHaveLength(1);
    await reusing.issuer().issue(wanted, memoryProgress(), reusing.solvers, running());
    expect(reusing.challenges.seen).toHaveLength(1);
  });

  it("orders the validity the CA is configured for, down to seconds", async () => {
    await using short = await startCa({ certificateValidityPeriodSeconds: 120 });
    const { leaf } = await short.issuer().issue(request(), memoryProgress(), short.solvers, running());
    expect(leaf.notAfter - Date.now()).toBeLessThanOrEqual(120_000);
  });

  it("delivers longer chains whole", async () => {
    await using long = await startCa({ env: { PEBBLE_CHAIN_LENGTH: "3" } });
    const { chainPem } = await long.issuer().issue(request(), memoryProgress(), long.solvers, running());
    expect(chainPem).toHaveLength(3);
  });
});
