import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createAccountAdmin } from "../../src/acme/accountAdmin.ts";
import type { IssuerOptions } from "../../src/acme/issuer.ts";
import type { AccountAdmin } from "../../src/domain/account.ts";
import type { Account } from "../../src/domain/issuer.ts";
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

const admin = (change: Partial<IssuerOptions>): AccountAdmin =>
  createAccountAdmin({ ...issuerOptions(ca.proxy), ...change }, { accounts: ca.accounts, now: Date.now });
const order = (change: Partial<IssuerOptions>) =>
  ca.issuer(change).issue(request(), memoryProgress(), ca.solvers, running());
const stored = (name: string): Account =>
  ca.accounts.stored.get(`${name} ${ca.proxy.directory}`) ?? expect.unreachable();

describe("the account of an issuer", () => {
  it("is none before the first order", async () => {
    expect(await admin({ name: "fresh" }).show(running())).toBeNull();
    await expect(admin({ name: "fresh" }).rollover(running())).rejects.toMatchObject({ code: "request.invalid" });
  });

  it("is shown as the CA describes it", async () => {
    await order({ name: "shown" });
    expect(await admin({ name: "shown" }).show(running())).toMatchObject({
      url: stored("shown").url,
      status: "valid",
      contact: ["mailto:ops@example.com"],
    });
  });

  it("gets a new key, and an issuer that still held the old one goes on with it", async () => {
    const issuer = ca.issuer({ name: "rolled" });
    await issuer.issue(request(), memoryProgress(), ca.solvers, running());
    const { url, privateKey } = stored("rolled");
    const before = await admin({ name: "rolled" }).show(running());
    const after = await admin({ name: "rolled" }).rollover(running());
    expect(after).toMatchObject({ url, status: "valid" });
    expect(after.keyThumbprint).not.toBe(before?.keyThumbprint);
    expect(stored("rolled").privateKey.reveal()).not.toBe(privateKey.reveal());
    expect(stored("rolled").pendingKey).toBeNull();
    await issuer.issue(request(), memoryProgress(), ca.solvers, running());
  });

  it.each(["rollover", "updateContact", "deactivate"] as const)(
    "is as it was after a page answered %s",
    async (verb) => {
      const name = `page-${verb}`;
      await order({ name });
      const { url, privateKey } = stored(name);
      const path = verb === "rollover" ? null : new URL(url ?? "").pathname;
      ca.proxy.intercept = async (incoming) =>
        incoming.resource === "keyChange" || incoming.path === path
          ? { status: 200, headers: {}, body: "<!doctype html>" }
          : null;
      await expect(admin({ name })[verb](running())).rejects.toMatchObject({ code: "acme.server" });
      ca.proxy.intercept = null;
      expect(stored(name)).toMatchObject({ url, privateKey });
      await order({ name });
    },
  );

  it.each<[string, boolean]>([
    ["before the CA was asked", false],
    ["after the CA took the new key", true],
  ])("survives a rollover that dies %s: orders go on, and a rollover ends what was begun", async (when, asked) => {
    const name = `crash-${asked}`;
    await order({ name });
    const { url, privateKey } = stored(name);
    ca.proxy.intercept = async ({ resource }, forward) => {
      if (resource !== "keyChange") return null;
      const answer = asked ? await forward() : null;
      // Pebble refuses a nonce now and then: that request comes again.
      return answer !== null && answer.status >= 400 ? answer : "reset";
    };
    await expect(admin({ name }).rollover(running()), when).rejects.toMatchObject({ code: "acme.connection" });
    ca.proxy.intercept = null;
    const pending = stored(name).pendingKey;
    expect(pending).not.toBeNull();
    await order({ name });
    expect(stored(name)).toMatchObject({ url });
    expect(stored(name).privateKey.reveal()).toBe((asked ? pending : privateKey)?.reveal());
    await admin({ name }).rollover(running());
    expect(stored(name).pendingKey).toBeNull();
    await order({ name });
  });

  it("replaced while an order is in flight costs no renewal", async () => {
    await order({ name: "busy" });
    let rolled = false;
    ca.proxy.intercept = async ({ resource }) => {
      if (resource !== "newOrder" || rolled) return null;
      rolled = true;
      await admin({ name: "busy" }).rollover(running());
      return null;
    };
    await order({ name: "busy" });
    expect(rolled).toBe(true);
  });

  it("gets a changed contact once", async () => {
    await order({ name: "moved" });
    const contact = ["mailto:tls@example.com"];
    const updates = (): number =>
      ca.proxy.requests.filter(({ payload }) => JSON.stringify(payload) === JSON.stringify({ contact })).length;
    // Pebble refuses some nonces on purpose, so an update may be sent again at once.
    await order({ name: "moved", contact });
    const sent = updates();
    expect(sent).toBeGreaterThanOrEqual(1);
    await order({ name: "moved", contact });
    expect(updates()).toBe(sent);
    expect(await admin({ name: "moved", contact }).show(running())).toMatchObject({ contact });
  });

  it("whose contact the CA refuses renews all the same, and asking by hand shows why", async () => {
    await order({ name: "refused" });
    const contact = ["tel:+12025551212"];
    await order({ name: "refused", contact });
    await expect(admin({ name: "refused", contact }).updateContact(running())).rejects.toMatchObject({
      code: "acme.account",
    });
  });

  /** As from another machine: this one does not learn of it. */
  async function deactivateElsewhere(name: string): Promise<Account> {
    const account = stored(name);
    const accounts = memoryAccounts();
    accounts.stored.set(`${name} ${ca.proxy.directory}`, account);
    const elsewhere = createAccountAdmin({ ...issuerOptions(ca.proxy), name }, { accounts, now: Date.now });
    await elsewhere.deactivate(running());
    return account;
  }

  it("that somebody else deactivated is shown as such, says what helps, and can be forgotten", async () => {
    await order({ name: "ended" });
    const { url } = await deactivateElsewhere("ended");
    expect(await admin({ name: "ended" }).show(running())).toMatchObject({ url, status: "deactivated" });
    const refusal = { code: "request.invalid", message: expect.stringContaining("the next order registers a new one") };
    await expect(admin({ name: "ended" }).updateContact(running())).rejects.toMatchObject(refusal);
    await expect(admin({ name: "ended" }).rollover(running())).rejects.toMatchObject(refusal);
    await admin({ name: "ended" }).deactivate(running());
    expect(await admin({ name: "ended" }).show(running())).toBeNull();
  });

  it.each([
    ["when it orders", ["mailto:ops@example.com"]],
    ["when its contact is updated", ["mailto:new@example.com"]],
    ["after a rollover that the CA refused", ["mailto:ops@example.com"]],
  ])("that somebody else deactivated is replaced %s, with a new key, and people learn of it", async (when, contact) => {
    const name = `lost ${when}`;
    await order({ name });
    const { url, privateKey } = await deactivateElsewhere(name);
    if (when.includes("rollover")) await expect(admin({ name }).rollover(running())).rejects.toThrow("deactivated");
    const progress = memoryProgress();
    await ca.issuer({ name, contact }).issue(request(), progress, ca.solvers, running());
    const { url: to, privateKey: newKey } = stored(name);
    expect(to).not.toBe(url);
    expect(newKey.reveal()).not.toBe(privateKey.reveal());
    expect(progress.events.filter(({ type }) => type === "account.replaced")).toEqual([
      { type: "account.replaced", detail: { issuer: name, from: url, to, why: "deactivated" } },
    ]);
    // Nothing is left to replace.
    const next = memoryProgress();
    await ca.issuer({ name, contact }).issue(request(), next, ca.solvers, running());
    expect(next.events.map(({ type }) => type)).not.toContain("account.replaced");
  });

  it("is not given up for a refusal that is about something else", async () => {
    await order({ name: "kept" });
    const { url } = stored("kept");
    ca.proxy.intercept = async ({ resource }, forward) =>
      resource === "newOrder"
        ? {
            status: 403,
            headers: { "content-type": "application/problem+json" },
            body: JSON.stringify({ type: "urn:ietf:params:acme:error:unauthorized", detail: "not for this name" }),
          }
        : forward();
    await expect(order({ name: "kept" })).rejects.toMatchObject({ code: "acme.account" });
    expect(stored("kept").url).toBe(url);
  });

  it("is deactivated for ever, and the next order registers another", async () => {
    await order({ name: "closed" });
    const { url } = stored("closed");
    await admin({ name: "closed" }).deactivate(running());
    expect(await admin({ name: "closed" }).show(running())).toBeNull();
    await order({ name: "closed" });
    expect(stored("closed").url).not.toBe(url);
  });
});
