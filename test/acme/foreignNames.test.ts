import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createCsr } from "../../src/x509/csr.ts";
import { generateKey } from "../../src/x509/key.ts";
import { identifierOf } from "../support/identifier.ts";
import { memoryProgress } from "../support/model/orderMemory.ts";
import { type CaFixture, request, running, startCa } from "./caFixture.ts";

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa({ env: { PEBBLE_AUTHZREUSE: "0" } });
});
afterAll(() => ca[Symbol.asyncDispose]());
afterEach(() => {
  ca.proxy.intercept = null;
});

describe("an authorization that nobody asked for", () => {
  it.each([
    ["another name", (body: string) => body.replace(/"value": *"[^"]*"/, '"value": "victim.example.org"')],
    ["a wildcard", (body: string) => body.replace(/"status": *"pending"/, '"wildcard": true, "status": "pending"')],
  ])("for %s is not answered: the order is given up, and the next one is fine", async (_case, change) => {
    ca.proxy.intercept = async ({ path }, forward) => {
      const answer = await forward();
      return path.startsWith("/authZ/") ? { ...answer, body: change(answer.body) } : answer;
    };
    const [progress, wanted, answered] = [memoryProgress(), request(), ca.challenges.seen.length];
    const issue = () => ca.issuer().issue(wanted, progress, ca.solvers, running());
    await expect(issue()).rejects.toMatchObject({
      code: "acme.server",
      message: expect.stringContaining("which nobody asked for"),
    });
    expect(ca.challenges.seen.length).toBe(answered);
    expect(progress.abandoned).toHaveLength(1);
    ca.proxy.intercept = null;
    await expect(issue()).resolves.toMatchObject({ leaf: { identifiers: wanted.identifiers } });
  });

  it("next to one that was asked for keeps both from being answered", async () => {
    const [first, second] = [memoryProgress(), memoryProgress()];
    let foreign: string | null = null;
    ca.proxy.intercept = async ({ resource }, forward) => {
      const answer = await forward();
      if (resource !== "newOrder" || answer.status !== 201) return answer;
      const order: { authorizations: string[] } = JSON.parse(answer.body);
      if (foreign === null) {
        foreign = order.authorizations[0] ?? null;
        return "reset";
      }
      return { ...answer, body: JSON.stringify({ ...order, authorizations: [...order.authorizations, foreign] }) };
    };
    await expect(ca.issuer().issue(request(), first, ca.solvers, running())).rejects.toMatchObject({
      code: "acme.connection",
    });
    const answered = ca.challenges.seen.length;
    await expect(ca.issuer().issue(request(), second, ca.solvers, running())).rejects.toMatchObject({
      code: "acme.server",
      message: expect.stringContaining("which nobody asked for"),
    });
    expect(ca.challenges.seen.length).toBe(answered);
  });
});

describe("a stored request that somebody else wrote", () => {
  it.each<[string, (names: readonly string[], own: Awaited<ReturnType<typeof generateKey>>) => Promise<Uint8Array>]>([
    ["for another key", async (names) => createCsr(await generateKey("ecdsa-p256"), names.map(identifierOf))],
    ["for one name more", (names, own) => createCsr(own, [...names, "victim.example.org"].map(identifierOf))],
    ["that is none", async () => Buffer.from("not a request")],
  ])("%s is discarded before finalize, and the certificate is for the sealed key", async (_case, forge) => {
    const [progress, wanted] = [memoryProgress(), request()];
    const issue = () => ca.issuer().issue(wanted, progress, ca.solvers, running());
    // As after a crash between the request's storing and finalize.
    ca.proxy.intercept = async ({ path }) => (path.startsWith("/finalize-order/") ? "reset" : null);
    await expect(issue()).rejects.toMatchObject({ code: "acme.connection" });
    ca.proxy.intercept = null;
    const { privateKey, csr } = progress.state;
    const names = wanted.identifiers.map(({ value }) => value);
    const forged = await forge(names, privateKey ?? expect.unreachable());
    expect(csr).not.toBeNull();
    progress.state = { ...progress.state, csr: Buffer.from(forged).toString("base64url") };
    const since = ca.proxy.requests.length;
    const result = await issue();
    expect(result.privateKey.reveal()).toBe(privateKey?.reveal());
    expect(result.leaf.identifiers).toEqual(wanted.identifiers);
    expect(progress.events.filter(({ type }) => type === "order.csrDiscarded")).toHaveLength(1);
    expect(progress.abandoned).toEqual([]);
    const sent = JSON.stringify(ca.proxy.requests.slice(since).map(({ payload }) => payload));
    expect(sent).not.toContain(Buffer.from(forged).toString("base64url"));
  });
});
