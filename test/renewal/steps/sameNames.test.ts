import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { unlimited } from "../../../src/domain/budget.ts";
import type { Certificate } from "../../../src/domain/certificate.ts";
import type { IssueRequest, Issuer, OwnCsr } from "../../../src/domain/issuer.ts";
import { Secret } from "../../../src/domain/secret.ts";
import type { Store } from "../../../src/domain/store.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { DEFAULT_SETTINGS } from "../../../src/renewal/rules/settings.ts";
import { issue } from "../../../src/renewal/steps/issue.ts";
import { openStore, openVault } from "../../../src/store/index.ts";
import { certificate, NOW, renewal, version } from "../../support/model/facts.ts";

const NO_SIGNAL = new AbortController().signal;

let directory: string;
let store: Store;
let now: number;
let requests: IssueRequest[];
let inFlight: number;
let mostInFlight: number;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-names-"));
  const vault = await openVault({ key: new Secret(Buffer.alloc(32, 7).toString("base64")) });
  store = await openStore({ kind: "sqlite", file: join(directory, "store.sqlite") }, vault, "test");
  [now, requests, inFlight, mostInFlight] = [NOW, [], 0, 0];
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

/** Tells how many orders it has in flight; each takes a turn of the event loop or two. */
const issuer: Issuer = {
  async issue(request, progress) {
    requests.push(request);
    inFlight += 1;
    mostInFlight = Math.max(mostInFlight, inFlight);
    await progress.save({ privateKey: request.privateKey ?? new Secret("new key"), orderUrl: "order" });
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    inFlight -= 1;
    return {
      leaf: { ...version().leaf, serial: `${requests.length}` },
      leafPem: "leaf",
      chainPem: [],
      privateKey: request.privateKey ?? new Secret("new key"),
    };
  },
};

function context(certificates: readonly Certificate[]): Context {
  return {
    store,
    queue: { enqueue: async () => {} },
    probe: { addresses: async () => [], observe: async () => expect.unreachable() },
    services: {
      certificates: () => certificates,
      issuerNames: () => ["ca"],
      budget: unlimited,
      certificate: (name) => certificates.find((each) => each.name === name) ?? null,
      issuer: () => issuer,
      solver: () => ({ challengeType: "http-01", present: async () => {}, cleanUp: async () => {} }),
      solvers: () => [],
      deployer: () => expect.unreachable(),
      limits: () => ({}),
      responsibility: () => null,
      reloads: () => false,
      rehearsal: (name) => ({ issuer: null, budget: unlimited(name) }),
      hasAgent: () => false,
      places: () => [],
      ownCsr: () => null,
      channels: () => new Map(),
    },
    clock: { now: () => now, monotonic: () => now, sleep: async () => {} },
    clockGuard: { check: async () => {} },
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    settings: DEFAULT_SETTINGS,
  };
}

async function planned(certificates: readonly Certificate[]): Promise<Context> {
  await store.certificates.sync(certificates, now);
  for (const { name } of certificates) {
    const generation = ((await store.versions.latest(name))?.generation ?? 0) + 1;
    expect(await store.renewals.insert(renewal({ id: `${name}-${generation}`, certificate: name, generation }))).toBe(
      true,
    );
  }
  return context(certificates);
}

describe("certificates for the same names", () => {
  it("of two key types never have open orders at the same time, and both are issued without a failed attempt", async () => {
    const names = ["rsa", "ecdsa"];
    const certificates = [certificate({ name: "rsa", keyType: "rsa-2048" }), certificate({ name: "ecdsa" })];
    const world = await planned(certificates);
    for (let round = 0; round < 3; round++) {
      await Promise.all(names.map((name) => issue(world, `${name}-1`, NO_SIGNAL)));
      now += 60_000;
    }
    expect(mostInFlight).toBe(1);
    expect(requests).toHaveLength(2);
    for (const name of names) expect(await store.versions.list(name)).toHaveLength(1);
    for (const name of names)
      expect(await store.renewals.get(`${name}-1`)).toMatchObject({ attempts: 0, errorCode: null, state: "deploying" });
  });

  it.each([
    ["other names", { identifiers: [{ type: "dns", value: "api.example.org" } as const] }],
    ["another issuer", { issuer: "other" }],
  ])("go on side by side with %s", async (_name, patch) => {
    const world = await planned([certificate({ name: "one" }), certificate({ name: "two", ...patch })]);
    await Promise.all(["one", "two"].map((name) => issue(world, `${name}-1`, NO_SIGNAL)));
    expect(mostInFlight).toBe(2);
  });
});

describe("an order's request", () => {
  const existing = version({ leafPem: "predecessor" });
  it.each<[string, Partial<Certificate>, object]>([
    ["a new key by default, replacing the version before", {}, { privateKey: null, replaces: "predecessor" }],
    ["the old key where it is kept", { reuseKey: true }, { privateKey: expect.any(Secret) }],
    ["a new key where its type changed", { reuseKey: true, keyType: "rsa-2048" }, { privateKey: null }],
    ["nothing to replace at another CA", { issuer: "other" }, { replaces: null }],
    [
      "nothing to replace without a name in common",
      { identifiers: [{ type: "dns", value: "new.example.org" }] },
      { replaces: null },
    ],
    ["profile and chain", { profile: "short", preferredChain: "Root" }, { profile: "short", preferredChain: "Root" }],
  ])("asks for %s", async (_name, patch, expected) => {
    await store.versions.insert(existing, new Secret("old key"));
    const world = await planned([certificate(patch)]);
    await issue(world, "www-2", NO_SIGNAL);
    expect(requests[0]).toMatchObject(expected);
  });

  it("refuses, for a request made elsewhere, every key that was ever revoked as compromised", async () => {
    for (const [generation, reason] of [
      [1, "keyCompromise"],
      [2, "superseded"],
      [3, null],
    ] as const) {
      await store.versions.insert(version({ generation }), new Secret(`key ${generation}`));
      const detail = { generation, reason };
      const event = {
        at: NOW,
        type: "version.revoked",
        certificate: "www",
        renewalId: null,
        target: null,
        detail,
      } as const;
      if (reason !== null) await store.events.append(event);
    }
    const world = await planned([certificate()]);
    const ownCsr = async (): Promise<OwnCsr> => ({ request: new Uint8Array(), privateKey: new Secret("key 4") });
    await issue({ ...world, services: { ...world.services, ownCsr: () => ownCsr } }, "www-4", NO_SIGNAL);
    expect(requests[0]).toMatchObject({ ownCsr, privateKey: null });
    expect(requests[0]?.compromisedKeys?.map((key) => key.reveal())).toEqual(["key 1"]);
  });

  it("replaces nothing that has expired", async () => {
    await store.versions.insert(version({ leaf: { ...version().leaf, notAfter: NOW } }), new Secret("old key"));
    await issue(await planned([certificate()]), "www-2", NO_SIGNAL);
    expect(requests[0]).toMatchObject({ replaces: null });
  });
});
