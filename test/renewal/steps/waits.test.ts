import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { raceAbort } from "../../../src/domain/abort.ts";
import { unlimited } from "../../../src/domain/budget.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { Concern, Issuer, Solver } from "../../../src/domain/issuer.ts";
import { Secret } from "../../../src/domain/secret.ts";
import type { Store } from "../../../src/domain/store.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { DEFAULT_SETTINGS } from "../../../src/renewal/rules/settings.ts";
import { issue } from "../../../src/renewal/steps/issue.ts";
import { openStore, openVault } from "../../../src/store/index.ts";
import { named } from "../../support/dns/dependencies.ts";
import { certificate, NOW, renewal, version } from "../../support/model/facts.ts";

const NO_SIGNAL = new AbortController().signal;
const WWW = certificate({ name: "www" });

let directory: string;
let store: Store;
let now: number;
let orders: number;
let concerns: readonly Concern[];
let look: (signal: AbortSignal) => Promise<readonly Concern[]>;
let isHttp: boolean;
let answer: () => Promise<never> | null;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-waits-"));
  const vault = await openVault({ key: new Secret(Buffer.alloc(32, 7).toString("base64")) });
  store = await openStore({ kind: "sqlite", file: join(directory, "store.sqlite") }, vault, "test");
  [now, orders, concerns, answer] = [NOW, 0, [], () => null];
  [isHttp, look] = [false, async () => concerns];
  await store.certificates.sync([WWW], now);
  await store.renewals.insert(renewal({ id: "r", certificate: "www", generation: 1 }));
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

const issuer: Issuer = {
  async issue(_request, progress) {
    orders += 1;
    await progress.save({ privateKey: new Secret("key"), orderUrl: "order" });
    await answer();
    return { leaf: version().leaf, leafPem: "leaf", chainPem: [], privateKey: new Secret("key") };
  },
};

function context(): Context {
  const solver: Solver = {
    challengeType: isHttp ? "http-01" : "dns-01",
    present: async () => {},
    cleanUp: async () => {},
    preflight: (_identifier, signal) => look(signal),
    ...(!isHttp && {
      dns: { withdraw: async () => {}, values: async () => expect.unreachable(), remove: async () => {} },
    }),
  };
  return {
    store,
    queue: { enqueue: async () => {} },
    probe: { addresses: async () => [], observe: async () => expect.unreachable() },
    services: {
      certificates: () => [WWW],
      issuerNames: () => ["ca"],
      budget: unlimited,
      certificate: () => WWW,
      issuer: () => issuer,
      solver: () => solver,
      places: () => [],
      solvers: () => [named(solver)],
      deployer: () => expect.unreachable(),
      limits: () => ({}),
      responsibility: () => null,
      reloads: () => false,
      rehearsal: (name) => ({ issuer: null, budget: unlimited(name) }),
      hasAgent: () => false,
      ownCsr: () => null,
      channels: () => new Map(),
    },
    clock: { now: () => now, monotonic: () => now, sleep: async () => {} },
    clockGuard: { check: async () => {} },
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    settings: DEFAULT_SETTINGS,
  };
}

describe("an answer that is not visible yet", () => {
  it.each(["challenge.waiting", "dns.busy"] as const)("(%s) counts as no failure and no attempt", async (code) => {
    answer = () => Promise.reject(new RenewalError(code, "not yet", { retryAt: NOW + 1_200_000 }));
    await issue(context(), "r", NO_SIGNAL);
    expect(await store.renewals.get("r")).toMatchObject({
      ...{ attempts: 0, errorCode: null, retryAt: NOW + 1_200_000, leaseUntil: null },
      nextActionAt: NOW + 1_200_000,
    });
    expect(await store.events.list({ types: ["issue.failed"], limit: 9 })).toEqual([]);
    [now, answer] = [NOW + 1_200_000, () => null];
    await issue(context(), "r", NO_SIGNAL);
    expect(await store.renewals.get("r")).toMatchObject({ state: "deploying", retryAt: null });
  });
});

describe("before an order", () => {
  const dead: Concern = { check: "dnssec", message: "the signatures are broken", fatal: true };

  it("what cannot succeed costs no order, and the history says why", async () => {
    concerns = [dead];
    await issue(context(), "r", NO_SIGNAL);
    expect(orders).toBe(0);
    expect(await store.renewals.get("r")).toMatchObject({
      errorCode: "challenge.preflight",
      errorMessage: expect.stringContaining("www.example.org: the signatures are broken"),
    });
    const [event] = await store.events.list({ types: ["issue.preflight"], limit: 1 });
    expect(event?.detail).toEqual({ concerns: ["www.example.org: the signatures are broken"], refused: true });
  });

  it("a warning is written down and stops nothing", async () => {
    concerns = [{ ...dead, fatal: false }];
    await issue(context(), "r", NO_SIGNAL);
    expect(orders).toBe(1);
    const [event] = await store.events.list({ types: ["issue.preflight"], limit: 1 });
    expect(event?.detail.refused).toBe(false);
  });

  it("a name that is answered by HTTP is checked as well, and only warned of: a CA may see it differently", async () => {
    isHttp = true;
    concerns = [dead, { check: "dns", message: "no resolver answers", fatal: false }];
    await issue(context(), "r", NO_SIGNAL);
    expect(orders).toBe(1);
    const [event] = await store.events.list({ types: ["issue.preflight"], limit: 1 });
    expect(event?.detail).toEqual({ concerns: ["www.example.org: the signatures are broken"], refused: false });
  });

  it("a check of such a name that does not end is left after six seconds, and the order goes on", async () => {
    isHttp = true;
    look = (signal) => raceAbort(signal, () => new Promise(() => {}));
    const timeout = AbortSignal.timeout.bind(AbortSignal);
    const spy = vi.spyOn(AbortSignal, "timeout");
    spy.mockImplementation((ms) => (ms === 6_000 ? AbortSignal.abort(new Error("too late")) : timeout(ms)));
    await issue(context(), "r", NO_SIGNAL).finally(() => spy.mockRestore());
    expect(orders).toBe(1);
    expect(await store.events.list({ types: ["issue.preflight"], limit: 1 })).toEqual([]);
  });

  it("nothing is refused in an emergency", async () => {
    await store.renewals.update("r", 0, { state: "failed", finishedAt: NOW });
    await store.renewals.insert(renewal({ id: "e", certificate: "www", generation: 1, reason: "emergency" }));
    concerns = [dead];
    await issue(context(), "e", NO_SIGNAL);
    expect(orders).toBe(1);
  });

  it("an order that is open is resumed without another look", async () => {
    answer = () => Promise.reject(new RenewalError("challenge.waiting", "not yet", { retryAt: NOW }));
    await issue(context(), "r", NO_SIGNAL);
    [concerns, answer] = [[dead], () => null];
    await issue(context(), "r", NO_SIGNAL);
    expect(orders).toBe(2);
  });
});
