import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createAccountAdmin } from "../../src/acme/accountAdmin.ts";
import type { IssuerOptions } from "../../src/acme/issuer.ts";
import type { AccountAdmin } from "../../src/domain/account.ts";
import type { Account } from "../../src/domain/issuer.ts";
import { memoryProgress } from "../support/model/orderMemory.ts";
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
  ca.issuer(change).issue(request(), memoryProgress(), ca.solver, running());
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
    await issuer.issue(request(), memoryProgress(), ca.solver, running());
    const { url, privateKey } = stored("rolled");
    const before = await admin({ name: "rolled" }).show(running());
    const after = await admin({ name: "rolled" }).rollover(running());
    expect(after).toMatchObject({ url, status: "valid" });
    expect(after.keyThumbprint).not.toBe(before?.keyThumbprint);
    expect(stored("rolled").privateKey.reveal()).not.toBe(privateKey.reveal());
    expect(stored("rolled").pendingKey).toBeNull();
    await issuer.issue(request(), memoryProgress(), ca.solver, running());
  });

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

  it("is deactivated for ever, and the next order registers another", async () => {
    await order({ name: "closed" });
    const { url } = stored("closed");
    await admin({ name: "closed" }).deactivate(running());
    expect(await admin({ name: "closed" }).show(running())).toBeNull();
    await order({ name: "closed" });
    expect(stored("closed").url).not.toBe(url);
  });
});
