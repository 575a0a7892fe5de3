import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, openContext, withoutQueue } from "../../../src/compose/index.ts";
import { unlimited } from "../../../src/domain/budget.ts";
import { Secret } from "../../../src/domain/secret.ts";
import type { Store } from "../../../src/domain/store.ts";
import type { Version } from "../../../src/domain/version.ts";
import { createLog } from "../../../src/log.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { requestRenewal } from "../../../src/renewal/plan/request.ts";
import { markRestored } from "../../../src/renewal/plan/restoreCheck.ts";
import { decide, type PlanFacts } from "../../../src/renewal/rules/decide.ts";
import { eventSentence } from "../../../src/reports/eventSentence.ts";
import { readLeaf } from "../../../src/x509/leaf.ts";
import { createRoot, type IssuedPair } from "../../support/ca/pki.ts";
import { freePort } from "../../support/freePort.ts";
import {
  certificate,
  DAY_MS,
  deployment,
  endpointStatus,
  ISSUED_AT,
  NOW,
  record,
  version,
} from "../../support/model/facts.ts";
import { startTlsServer } from "../../support/servers/tlsServer.ts";
import { createInstallation, type Installation, NO_REDIS } from "../../support/system/installation.ts";

const ACME_IS_NEVER_ASKED = "https://127.0.0.1:1/directory";
const never = new AbortController().signal;

describe("the decision about a restored certificate", () => {
  const facts = (patch: Partial<PlanFacts> = {}): PlanFacts => ({
    certificate: certificate(),
    record: record({ restoredAt: NOW - 1_000, generationFloor: 1_001, nextCheckAt: NOW + 5_000 }),
    version: version(),
    renewalInfo: null,
    active: null,
    deployments: [deployment({ deployedGeneration: 1 })],
    endpoints: [endpointStatus()],
    budget: { ca: unlimited("ca"), buckets: new Map() },
    replacement: null,
    ...patch,
  });
  const behind = [deployment({ deployedGeneration: 0 })];
  const newer = { endpoint: "e", address: "::1", serial: "0A" };
  const silent = { answered: 0, newer: null };

  it.each<[string, Partial<PlanFacts>, number, object]>([
    [
      "waits for the planner to look, even when nothing is due",
      {},
      NOW,
      { due: false, blockedBy: "restored", reason: null, until: NOW + 5_000 },
    ],
    [
      "does not deploy what lags behind before somebody looked",
      { deployments: behind },
      NOW,
      { due: false, blockedBy: "restored", reason: "drift" },
    ],
    [
      "does not deploy while nothing answers",
      { deployments: behind, live: silent },
      NOW,
      { due: false, blockedBy: "restored", until: NOW + 60_000 },
    ],
    [
      "does not issue in the window while nothing answers",
      { live: silent },
      ISSUED_AT + 61 * DAY_MS,
      { due: false, blockedBy: "restored", reason: "renewalWindow" },
    ],
    [
      "issues in an emergency all the same",
      { live: silent },
      ISSUED_AT + 86 * DAY_MS,
      { due: true, reason: "emergency" },
    ],
    ["issues when it has expired all the same", {}, ISSUED_AT + 91 * DAY_MS, { due: true, reason: "emergency" }],
    [
      "issues what is missing all the same",
      { version: null, deployments: [], endpoints: [] },
      NOW,
      { due: true, reason: "missing" },
    ],
    [
      "issues afresh when something newer is live",
      { live: { answered: 2, newer } },
      NOW,
      { due: true, reason: "restored" },
    ],
    [
      "does so instead of deploying",
      { deployments: behind, live: { answered: 1, newer } },
      NOW,
      { due: true, reason: "restored" },
    ],
    ["leaves it alone once confirmed", { live: { answered: 1, newer: null } }, NOW, { due: false, blockedBy: null }],
    [
      "deploys what lags behind once confirmed",
      { deployments: behind, live: { answered: 1, newer: null } },
      NOW,
      { due: true, reason: "drift" },
    ],
    [
      "has nothing to wait for without endpoints",
      { certificate: certificate({ endpoints: [] }), endpoints: [] },
      NOW,
      { due: false, blockedBy: null },
    ],
    [
      "issues instead of deploying where no endpoint could tell",
      { certificate: certificate({ endpoints: [] }), endpoints: [], deployments: behind },
      NOW,
      { due: true, reason: "restored" },
    ],
    [
      "goes on as ever with a version made after the restore",
      { version: version({ generation: 1_002 }), deployments: behind },
      NOW,
      { due: true, reason: "drift" },
    ],
    [
      "keeps its pause",
      {
        record: record({ restoredAt: NOW, generationFloor: 1_001, pausedAt: NOW, pausedReason: "freeze" }),
        live: { answered: 1, newer },
      },
      NOW,
      { due: false, blockedBy: "paused", reason: "restored" },
    ],
    [
      "keeps its back-off after the new one could not be issued",
      {
        record: record({ restoredAt: NOW, generationFloor: 1_001, failures: 1, nextAttemptAt: NOW + 9_000 }),
        live: { answered: 1, newer },
      },
      NOW,
      { due: false, blockedBy: "backedOff", reason: "restored", until: NOW + 9_000 },
    ],
  ])("%s", (_, patch, now, expected) => {
    expect(decide(facts(patch), now)).toMatchObject(expected);
  });
});

/** Each certificate's database knows generations 1 and 2; its endpoint serves what its name says. */
const CASES = ["same", "known", "older", "newer", "stranger", "silent", "mixed", "expiring", "lost"] as const;
type Case = (typeof CASES)[number];

describe("a planner on a restored database", () => {
  const cleanUp = new AsyncDisposableStack();
  let installation: Installation;
  let app: App;
  let store: Store;
  const nameOf = (name: Case): string => `${name}.example.org`;

  beforeAll(async () => {
    const root = await createRoot();
    const now = Date.now();
    const issue = (name: Case, days: number, life = 90, names = [nameOf(name)]): Promise<IssuedPair> =>
      root.issue({ names, notBefore: new Date(now - days * DAY_MS), notAfter: new Date(now + (life - days) * DAY_MS) });
    const serve = async (pair: IssuedPair): Promise<number> =>
      cleanUp.use(await startTlsServer({ pairs: [pair] })).port;

    const pairs = new Map<Case, IssuedPair[]>();
    for (const name of CASES)
      pairs.set(
        name,
        name === "expiring"
          ? [await issue(name, 89), await issue(name, 88)]
          : [await issue(name, 20), await issue(name, 10)],
      );
    const [first, second] = [0, 1].map((index) => (name: Case) => pairs.get(name)?.[index] ?? missingPair());
    if (first === undefined || second === undefined) throw new Error("unreachable");
    const ports: Record<Case, number[]> = {
      same: [await serve(second("same"))],
      known: [await serve(first("known"))],
      older: [await serve(await issue("older", 15))],
      newer: [await serve(await issue("newer", 1))],
      stranger: [await serve(await issue("stranger", 1, 90, ["placeholder.test"]))],
      silent: [await freePort()],
      mixed: [await freePort(), await serve(second("mixed")), await serve(await issue("mixed", 1))],
      expiring: [await freePort()],
      lost: [await freePort()],
    };
    installation = cleanUp.use(await createInstallation(configText(ports)));
    ({ store } = installation);
    for (const name of CASES) {
      if (name !== "lost") await know(store, name, pairs.get(name) ?? []);
    }
    await store.transaction((tx) => markRestored(tx, now, now));
    app = cleanUp.use(
      await openContext(installation.configFile, { log: createLog({ level: "error", pretty: false }) }),
    );
    await planDue(withoutQueue(app.context), never);
  });
  afterAll(() => cleanUp.disposeAsync());

  const active = (name: Case) => store.renewals.active(name);
  const confirmed = async (name: Case): Promise<string | null> => {
    const [event] = await store.events.list({ certificate: name, types: ["certificate.restoreConfirmed"], limit: 1 });
    expect((await store.certificates.get(name))?.restoredAt === null).toBe(event !== undefined);
    return event === undefined ? null : String(event.detail.why);
  };

  it.each<[Case, string]>([
    ["same", "the latest certificate"],
    ["known", "one it knows to be older"],
    ["older", "an older one it does not know"],
    ["stranger", "a newer one for another name"],
  ])("trusts the state of %s again when its endpoint serves %s, and deploys what lags behind", async (name) => {
    expect(await confirmed(name)).toBe("1 address answered, nothing newer than generation 2 is live");
    expect(await active(name)).toMatchObject({ reason: "drift", generation: 2 });
  });

  it.each<Case>(["newer", "mixed"])(
    "issues a generation above all before instead of deploying when an endpoint of %s serves a newer one",
    async (name) => {
      expect(await active(name)).toMatchObject({
        reason: "restored",
        generation: 1_003,
        reasonDetail: expect.stringContaining("serves a newer certificate (serial "),
      });
      expect(await confirmed(name)).toBeNull();
    },
  );

  it("is not asked twice: once the new generation exists, the state is its own again", async () => {
    const renewal = await active("newer");
    await store.renewals.update(renewal?.id ?? "", renewal?.fence ?? 0, { state: "failed", finishedAt: Date.now() });
    const latest = await store.versions.latest("newer");
    if (latest === null) throw new Error("there is a version");
    await store.versions.insert({ ...latest, generation: 1_003 }, new Secret("key"));
    await store.certificates.update("newer", { nextCheckAt: Date.now() });
    await planDue(withoutQueue(app.context), never);
    expect(await confirmed("newer")).toBe("generation 1003 was issued after it");
    expect(await active("newer")).toMatchObject({ reason: "drift", generation: 1_003 });
  });

  it("does nothing while no endpoint answers, looks again in a minute, and people see why", async () => {
    expect(await active("silent")).toBeNull();
    expect(await confirmed("silent")).toBeNull();
    const nextCheckAt = (await store.certificates.get("silent"))?.nextCheckAt ?? 0;
    expect(Math.abs(nextCheckAt - Date.now() - 60_000)).toBeLessThan(30_000);
    const plan = await installation.run("plan", "silent", "--json");
    expect(JSON.parse(plan.stdout)).toMatchObject({
      certificates: [
        { due: false, reason: "drift", heldBy: "restored", detail: expect.stringContaining("restored from a backup") },
      ],
    });
    const status = await installation.run("status");
    expect(status).toMatchObject({ code: 1, stdout: expect.stringContaining("restored from a backup") });
    expect(status.stdout).toContain("renew silent --force");
    const events = await store.events.list({ types: ["store.restored", "certificate.restoreConfirmed"], limit: 99 });
    expect(events.map(eventSentence)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^the database was restored from a backup made 20/),
        expect.stringMatching(/^carries on after the restore: 1 addr/),
      ]),
    );
  });

  it("issues for whoever asks, and never deploys the old version instead", async () => {
    const request = { certificate: "silent", force: false, reason: "by hand", requestedBy: null };
    const { renewalId } = await requestRenewal(withoutQueue(app.context), request);
    expect(await store.renewals.get(renewalId)).toMatchObject({ reason: "requested", generation: 1_003 });
  });

  it("does not wait for an endpoint when the certificate is about to expire or was never issued", async () => {
    expect(await active("expiring")).toMatchObject({ reason: "emergency", generation: 1_003 });
    expect(await active("lost")).toMatchObject({ reason: "missing", generation: 1_001 });
  });

  function configText(ports: Readonly<Record<Case, readonly number[]>>): string {
    const certificates = Object.fromEntries(
      CASES.map((name) => [
        name,
        {
          names: [nameOf(name)],
          endpoints: ports[name].map((port) => ({ host: "127.0.0.1", port, sni: nameOf(name) })),
        },
      ]),
    );
    return JSON.stringify({
      version: 1,
      dataDir: "data",
      redis: { url: NO_REDIS },
      issuers: { ca: { directory: ACME_IS_NEVER_ASKED, termsOfServiceAgreed: true } },
      solvers: { http: { type: "http-01" } },
      targets: { lb: { type: "files", directory: "/nonexistent/lb", bundle: "{certificate}.pem" } },
      defaults: { issuer: "ca", solver: "http", targets: ["lb"] },
      certificates,
    });
  }
});

/** Generations 1 and 2, of which the target got the first. */
async function know(store: Store, name: string, pairs: readonly IssuedPair[]): Promise<void> {
  for (const [index, { certPem, keyPem }] of pairs.entries()) {
    const known: Version = version({
      certificate: name,
      generation: index + 1,
      leaf: readLeaf(certPem),
      leafPem: certPem,
      chainPem: [],
    });
    await store.versions.insert(known, new Secret(keyPem));
  }
  await store.deployments.want(name, ["lb"], 2);
  await store.deployments.update(name, "lb", 0, { deployedGeneration: 1, deployedAt: Date.now() });
}

function missingPair(): never {
  throw new Error("the test has made no such pair");
}
