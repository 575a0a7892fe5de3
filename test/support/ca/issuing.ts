// An ACME worker's context over a real store, with a clock the test owns: everything but issuing is out of reach.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { unlimited } from "../../../src/domain/budget.ts";
import type { Certificate } from "../../../src/domain/certificate.ts";
import type { EventType, HistoryEvent } from "../../../src/domain/event.ts";
import type { Issuer, Solver } from "../../../src/domain/issuer.ts";
import type { Renewal } from "../../../src/domain/renewal.ts";
import { Secret } from "../../../src/domain/secret.ts";
import type { Store } from "../../../src/domain/store.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { DEFAULT_SETTINGS } from "../../../src/renewal/rules/settings.ts";
import { issue } from "../../../src/renewal/steps/issue.ts";
import { openStore, openVault } from "../../../src/store/index.ts";
import { named } from "../dns/dependencies.ts";
import { NOW, renewal } from "../model/facts.ts";

export interface Issuing extends AsyncDisposable {
  readonly store: Store;
  readonly context: Context;
  /** ms since epoch; the test moves it. */
  readonly time: { now: number };
  /** Runs one attempt and returns the renewal as it is then. */
  attempt(): Promise<Renewal>;
  /** The renewal's history, oldest first. */
  events(...types: EventType[]): Promise<readonly HistoryEvent[]>;
}

/** A renewal of `certificate` is planned; `issuers` by name. */
export async function startIssuing(
  certificate: Certificate,
  issuers: Readonly<Record<string, Issuer>>,
  solver: Solver,
): Promise<Issuing> {
  await using starting = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "renewd-issuing-"));
  starting.defer(() => rm(directory, { recursive: true }));
  const vault = await openVault({ key: new Secret(Buffer.alloc(32, 7).toString("base64")) });
  const store = starting.adopt(
    await openStore({ kind: "sqlite", file: join(directory, "store.sqlite") }, vault, "test"),
    (opened) => opened.close(),
  );
  const time = { now: NOW };
  const planned = renewal({ certificate: certificate.name, createdAt: NOW });
  await store.certificates.sync([certificate], NOW);
  expect(await store.renewals.insert(planned)).toBe(true);
  const context: Context = {
    store,
    queue: { enqueue: async () => {} },
    probe: { addresses: async () => [], observe: async () => expect.unreachable() },
    services: {
      certificates: () => [certificate],
      certificate: (name) => (name === certificate.name ? certificate : null),
      issuerNames: () => ["ca"],
      budget: unlimited,
      issuer: (name) => issuers[name] ?? expect.unreachable(),
      solver: () => solver,
      solvers: () => [named(solver)],
      deployer: () => expect.unreachable(),
      limits: () => ({}),
      responsibility: () => null,
      reloads: () => false,
      rehearsal: (name) => ({ issuer: null, budget: unlimited(name) }),
      ownCsr: () => null,
      hasAgent: () => false,
      places: () => [],
      channels: () => new Map(),
    },
    // Leases run on real time: an attempt may take a while.
    clock: { now: () => time.now, monotonic: () => performance.now(), sleep: async () => {} },
    clockGuard: { check: async () => {} },
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    settings: DEFAULT_SETTINGS,
  };
  const kept = starting.move();
  return {
    store,
    context,
    time,
    async attempt() {
      await issue(context, planned.id, new AbortController().signal);
      return (await store.renewals.get(planned.id)) ?? expect.unreachable();
    },
    events: (...types) => store.events.list({ renewalId: planned.id, types, limit: 1000 }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
