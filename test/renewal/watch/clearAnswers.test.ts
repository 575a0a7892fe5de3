import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { DnsRecord } from "../../../src/domain/dnsRecord.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { Solver } from "../../../src/domain/issuer.ts";
import { Secret } from "../../../src/domain/secret.ts";
import type { Store } from "../../../src/domain/store.ts";
import { clearAnswers } from "../../../src/renewal/watch/clearAnswers.ts";
import { openStore, openVault } from "../../../src/store/index.ts";
import { NOW } from "../../support/model/facts.ts";

let directory: string;
let store: Store;
let withdrawn: string[];
let now: number;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-clear-"));
  const vault = await openVault({ key: new Secret(Buffer.alloc(32, 7).toString("base64")) });
  store = await openStore({ kind: "sqlite", file: join(directory, "store.sqlite") }, vault, "test");
  [withdrawn, now] = [[], NOW];
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

function run(withdraw: (record: DnsRecord) => Promise<void>): Promise<void> {
  const solver = (name: string): Solver => {
    if (name === "gone") throw new RenewalError("config.removed", `solver "gone" is not configured`);
    const dns = { withdraw, values: async () => expect.unreachable(), remove: async () => {} };
    return { challengeType: "dns-01", present: async () => {}, cleanUp: async () => {}, dns };
  };
  // Only what it uses.
  const services = { solver } as Parameters<typeof clearAnswers>[0]["services"];
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const clock = { now: () => now, monotonic: () => now, sleep: async () => {} };
  const context = { store, services, log, clock, clockGuard: { check: async () => {} } };
  return clearAnswers(context, new AbortController().signal);
}

const plant = (id: string, change: Partial<DnsRecord> = {}): Promise<void> =>
  store.dns.records.insert({
    ...{ id, solver: "dns", identifier: "example.org", name: "_acme-challenge.example.org", value: id },
    ...{ zoneId: "z", zoneName: "example.org", providerId: null, certificate: "www", renewalId: null, client: null },
    ...{ state: "published", createdAt: NOW, publishedAt: NOW, expiresAt: NOW, attempts: 0, nextAttemptAt: null },
    ...{ errorCode: null, errorMessage: null },
    ...change,
  });

it("removes every leftover, and one that fails does not keep the others", async () => {
  await plant("1");
  await plant("2");
  await plant("3", { expiresAt: NOW + 1 });
  await run(async ({ id }) => {
    withdrawn.push(id);
    if (id === "1") throw new RenewalError("dns.unreachable", "down");
    await store.dns.records.delete(id);
  });
  expect(withdrawn).toEqual(["1", "2"]);
  expect((await store.dns.records.list(9)).map(({ id }) => id)).toEqual(["1", "3"]);
});

it("tells the history once when a record cannot be removed", async () => {
  await plant("1");
  const refuse = async ({ id, attempts }: DnsRecord): Promise<void> => {
    await store.dns.records.update(id, { attempts: attempts + 1 });
    throw new RenewalError("dns.credentials", "the token was revoked");
  };
  for (let time = 0; time < 5; time++) await run(refuse);
  const events = await store.events.list({ types: ["challenge.cleanUpFailed"], limit: 9 });
  expect(events).toMatchObject([
    {
      certificate: "www",
      detail: { code: "dns.credentials", message: expect.stringContaining("the token was revoked") },
    },
  ]);
});

it("keeps the record of a solver that left the configuration, and asks again an hour later", async () => {
  await plant("1", { solver: "gone" });
  await run(async () => expect.unreachable());
  expect(await store.dns.records.list(9)).toMatchObject([{ attempts: 1, nextAttemptAt: NOW + 3_600_000 }]);
  expect(await store.dns.records.leftovers(NOW, 9)).toEqual([]);
});
