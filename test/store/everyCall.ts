import { ALERT_RULES, NEW_ALERT_STATE } from "../../src/domain/alert.ts";
import type { DnsRecord } from "../../src/domain/dnsRecord.ts";
import type { NewEvent } from "../../src/domain/event.ts";
import type { HistoryFilter } from "../../src/domain/historySearch.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { Store } from "../../src/domain/store.ts";
import {
  alert,
  certificate,
  DAY_MS,
  endpointStatus,
  heartbeat,
  NOW,
  renewal,
  renewalInfo,
  version,
} from "../support/model/facts.ts";
import { CLAIM, type EveryCall, ofOutside } from "./outsideCalls.ts";

const KEY = new Secret("key");
const CA = "https://ca.example/directory";
const EVENT: NewEvent = {
  ...{ at: NOW, type: "issue.failed", certificate: "www", renewalId: "r", target: null, detail: {} },
};
const RECORD: DnsRecord = {
  ...{ id: "a", solver: "dns", identifier: "example.org", name: "_acme-challenge.example.org", value: "value" },
  ...{ zoneId: "z", zoneName: "example.org", providerId: null, certificate: "www", renewalId: null },
  ...{ state: "publishing", createdAt: NOW, publishedAt: null, expiresAt: NOW + 1_000, attempts: 0 },
  ...{ nextAttemptAt: null, errorCode: null, errorMessage: null, client: null },
};
const CURSOR = { channel: "ops", seq: 0, leaseUntil: NOW, failures: 0, nextAttemptAt: null, lastErrorMessage: null };

/** Calls every method of the store as renewd does, with each kind of question that it asks. */
export async function callEverything(store: Store): Promise<void> {
  const calls: EveryCall = {
    ...ofCertificates(store),
    ...ofHistory(store),
    ...ofWork(store),
    ...ofOthers(store),
    ...ofOutside(store),
  };
  const { dns, ...ports } = calls;
  for (const port of [...Object.values(ports), ...Object.values(dns)])
    for (const call of Object.values(port)) await call();
  await store.transaction(async (tx) => {
    await tx.renewals.lock("r");
    await tx.certificates.lock(["www"]);
    await tx.events.append(EVENT);
  });
}

function ofCertificates({ certificates, versions, observations, deployments, leftTargets, renewalInfos }: Store) {
  return {
    certificates: {
      sync: async () => {
        await certificates.sync([certificate(), certificate({ name: "api" })], NOW);
        await certificates.sync([certificate({ digest: "2" })], NOW);
        await certificates.sync([certificate({ digest: "2" }), certificate({ name: "api" })], NOW, ["api", "www"]);
      },
      changes: () => certificates.changes([certificate()]),
      addMissing: () => certificates.addMissing([certificate({ name: "shop" })], NOW),
      get: () => certificates.get("www"),
      lock: () => certificates.lock(["www"]),
      list: async () => [await certificates.list(), await certificates.list(["www"])],
      removed: () => certificates.removed(9),
      due: () => certificates.due(NOW, 9),
      update: async () => {
        await certificates.update("www", { failures: 1 });
        await certificates.update("www", { nextObservationAt: NOW });
        await certificates.update("www", { pausedAt: NOW, pausedUntil: null, pausedReason: "x" });
        await certificates.update("www", { pausedAt: null });
      },
      moveCheck: () => certificates.moveCheck({ name: "www", digest: "2", nextCheckAt: NOW }, NOW),
      claimObservations: () => certificates.claimObservations(CLAIM),
      countSeen: () => certificates.countSeen(NOW),
      expiring: () => certificates.expiring(NOW, 9),
      moveExpiryWarning: () => certificates.moveExpiryWarning("www", null, NOW),
      lastObservationDue: () => certificates.lastObservationDue(),
      bringForward: () => certificates.bringForward({ observationBy: NOW, rehearsalBy: NOW }),
      claimRehearsals: () => certificates.claimRehearsals(CLAIM),
      claimRehearsal: () => certificates.claimRehearsal("www", CLAIM),
    },
    versions: {
      insert: async () => {
        await versions.insert(version(), KEY);
        await versions.insert(version({ generation: 2, verifiedAt: null }), KEY);
      },
      latest: () => versions.latest("www"),
      get: () => versions.get("www", 1),
      list: () => versions.list("www"),
      listOf: () => versions.listOf(["www"], [1]),
      before: () => versions.before("www", 2),
      origins: () => versions.origins(),
      listLatest: async () => [await versions.listLatest(), await versions.listLatest(() => {}, ["www"])],
      privateKey: () => versions.privateKey("www", 1),
      bySerial: () => versions.bySerial("01"),
      setOrigin: () => versions.setOrigin("www", 1, { issuer: "ca", directory: CA }),
      markRevoked: () => versions.markRevoked("www", 1, NOW),
      markVerified: () => versions.markVerified("www", 1, NOW),
    },
    deployments: {
      want: () => deployments.want("www", ["lb"], 1),
      list: () => deployments.list("www"),
      listAll: async () => [await deployments.listAll(), await deployments.listAll(["www"])],
      received: () => deployments.received(),
      withoutDefinition: () => deployments.withoutDefinition(),
      get: () => deployments.get("www", "lb"),
      receipt: () => deployments.receipt("www", "lb"),
      offer: () => deployments.offer("www", ["lb"], NOW),
      claim: () => deployments.claim("www", "lb", NOW, 9_000),
      recordDeployed: async () => {
        const deployment = await deployments.get("www", "lb");
        if (deployment === null) throw new Error("there is no deployment");
        await deployments.recordDeployed(deployment, { deployedAt: NOW, targetDigest: null, receipt: {} });
      },
      update: async () => {
        await deployments.update("www", "lb", 1, { deployedGeneration: 1, receipt: { id: "x" } });
        await deployments.update("www", "lb", 1, { exhausted: false });
      },
      claimInspections: () => deployments.claimInspections({ ...CLAIM, targets: ["lb"] }),
      inspectBy: () => deployments.inspectBy("www", NOW),
      inspectedAfter: () => deployments.inspectedAfter(["www"], 0),
      forget: () => deployments.forget("www", "lb"),
      remove: () => deployments.remove("www", "lb"),
    },
    observations: {
      record: () => observations.record(endpointStatus({ proved: false }), []),
      retry: () => observations.retry("www", 1),
      statuses: () => observations.statuses("www"),
      allStatuses: async () => [await observations.allStatuses(), await observations.allStatuses(["www"])],
      observations: () => observations.observations("www"),
      allObservations: async () => [await observations.allObservations(), await observations.allObservations(["www"])],
    },
    leftTargets: {
      add: () => leftTargets.add({ certificate: "www", target: "old", receipt: {}, leftAt: NOW }),
      list: () => leftTargets.list(),
      remove: () => leftTargets.remove({ certificate: "www", target: "old" }),
    },
    renewalInfos: {
      watch: () => renewalInfos.watch("www", 1, NOW),
      get: () => renewalInfos.get("www"),
      list: async () => [await renewalInfos.list(), await renewalInfos.list(["www"])],
      due: () => renewalInfos.due(NOW, 9),
      update: async () => {
        await renewalInfos.update("www", 1, { nextPollAt: NOW });
        await renewalInfos.update("www", 1, { renewAt: renewalInfo().renewAt });
      },
    },
  } satisfies Partial<EveryCall>;
}

/** `issuers` is not one of them: most certificates have the same, so reading all renewals is the shortest way. */
const SEARCHES: readonly HistoryFilter[] = [
  {},
  ...[{ names: ["shop"] }, { serials: ["0A"] }, { fingerprints: ["ab"] }, { targets: ["lb"] }, { actors: ["alice"] }],
  ...[{ errors: ["acme."] }, { states: ["failed"] as const }, { since: NOW, before: NOW + DAY_MS }],
  ...[{ certificate: "www" }, { types: ["deploy.failed"] as const }],
];

function ofHistory({ events, search, totals, retention }: Store) {
  const bySearch = (ask: (filter: HistoryFilter) => Promise<unknown>) => async () => {
    for (const filter of SEARCHES) await ask(filter);
  };
  return {
    events: {
      append: async () => {
        for (let n = 0; n < 3; n += 1) await events.append({ ...EVENT, type: "renewal.succeeded" });
      },
      list: async () => {
        const [types, ends, since] = [["issue.failed"], ["issue.failed", "version.issued"], NOW] as const;
        for (const whose of [{}, { certificate: "www" }, { renewalId: "r" }])
          for (const after of [{}, { afterSeq: 1 }])
            for (const what of [{}, { types }, { types: ends }, { types: ends, since }])
              await events.list({ ...whose, ...after, ...what, limit: 9 });
      },
      lastOf: () => events.lastOf(["r"]),
      mark: async () => [await events.mark(), await events.mark(1)],
      prunedTo: () => events.prunedTo(),
    },
    search: {
      renewals: bySearch((filter) => search.renewals(filter, { limit: 9, after: { at: NOW, id: "r" } })),
      countRenewals: bySearch((filter) => search.countRenewals(filter)),
      countErrors: bySearch((filter) => search.countErrors({ ...filter, states: ["failed"], since: NOW })),
      durations: bySearch((filter) => search.durations(filter, 9)),
      histogram: bySearch((filter) => search.histogram(filter, { from: NOW - DAY_MS, stepMs: DAY_MS })),
      events: bySearch((filter) => search.events(filter, { limit: 9, beforeSeq: 9 })),
      countEvents: bySearch((filter) => search.countEvents(filter)),
      serials: () => search.serials([renewal({ id: "r" })]),
    },
    totals: { count: () => totals.count(9), read: () => totals.read() },
    retention: {
      eraseKeys: () => retention.eraseKeys(NOW + DAY_MS, 9),
      pruneEvents: () => retention.pruneEvents(NOW + DAY_MS, NOW, 1),
      stuckAt: () => retention.stuckAt(NOW),
      pruneRenewals: () => retention.pruneRenewals(NOW, 9),
      pruneVersions: () => retention.pruneVersions(NOW, 9),
    },
  } satisfies Partial<EveryCall>;
}

function ofWork({ renewals, replacements, ledger, challenges, accounts, crls, dns }: Store) {
  const [taken, bucket] = [
    { scope: "ca", kind: "ordersPerAccount", key: "", tokenMs: 1 } as const,
    { scope: "ca", kind: "ordersPerAccount", key: "", fullAt: NOW } as const,
  ];
  return {
    renewals: {
      insert: () => renewals.insert(renewal({ id: "r" })),
      get: () => renewals.get("r"),
      lock: () => renewals.lock("r"),
      facts: () => renewals.facts(renewal({ id: "r" })),
      deployFacts: () => renewals.deployFacts(renewal({ id: "r" })),
      planningFacts: () => renewals.planningFacts("www"),
      active: () => renewals.active("www"),
      list: async () => {
        for (const filter of [{}, { certificate: "www" }, { certificates: ["www"] }, { since: NOW }])
          await renewals.list({ ...filter, limit: 9 });
        await renewals.list({ states: ["planned"], limit: 9 });
      },
      lastOf: () => renewals.lastOf(["www"]),
      due: async () => {
        for (const first of ["urgent", "overdue"] as const)
          await renewals.due(NOW, { limit: 9, leaseMs: 9_000, first });
      },
      claim: () => renewals.claim("r", NOW, 9_000),
      update: async () => {
        await renewals.update("r", 1, { state: "issuing" });
        await renewals.update("r", 1, { attempts: 1 });
      },
      occupy: async () => [await renewals.occupy("scope", "r", NOW), await renewals.occupy("scope", "s", NOW)],
      orderState: () => renewals.orderState("r"),
      saveOrderState: () => renewals.saveOrderState("r", 1, { privateKey: KEY, orderUrl: CA, csr: "csr" }),
    },
    replacements: {
      create: () =>
        replacements.create(
          { id: "p", selection: "all", issuer: null, deadline: NOW, createdAt: NOW, endedAt: null },
          [0, 1].map((wave) => ({ replacement: "p", certificate: ["www", "api"][wave] ?? "", generation: 1, wave })),
        ),
      list: () => replacements.list(),
      members: () => replacements.members("p"),
      of: () => replacements.of("www"),
      memberships: () => replacements.memberships(),
      wakeNextWave: () => replacements.wakeNextWave("www", NOW),
      end: () => replacements.end("p", NOW),
    },
    ledger: {
      lock: () => ledger.lock(),
      write: () => ledger.write([bucket]),
      list: () => ledger.list(NOW),
      read: () => ledger.read([bucket]),
      prune: () => ledger.prune(NOW),
      reserve: () => ledger.reserve("r", [taken]),
      reserved: () => ledger.reserved("r"),
      release: () => ledger.release("r"),
    },
    challenges: {
      put: () => challenges.put("token", "token.x", NOW),
      claim: () => challenges.claim("place", "token.x", NOW),
      get: () => challenges.get("token"),
      remove: () => challenges.remove("token", "token.x"),
    },
    accounts: {
      create: () => accounts.create("ca", CA, KEY),
      get: () => accounts.get("ca", CA),
      setUrl: () => accounts.setUrl("ca", CA, `${CA}/1`),
      setPendingKey: () => accounts.setPendingKey("ca", CA, KEY),
      promotePendingKey: () => accounts.promotePendingKey("ca", CA),
      setContactDigest: () => accounts.setContactDigest("ca", CA, "x"),
      follow: () => accounts.follow("ca2", CA, ["ca2"]),
      remove: () => accounts.remove("ca2", CA),
    },
    crls: {
      claim: () => crls.claim(CA, CLAIM),
      postpone: () => crls.postpone(CA, NOW),
      forget: () => crls.forget(NOW),
    },
    dns: {
      records: {
        insert: () => dns.records.insert(RECORD),
        update: () => dns.records.update("a", { state: "removing" }),
        find: () => dns.records.find(RECORD),
        at: () => dns.records.at(RECORD, RECORD.name),
        list: () => dns.records.list(9),
        leftovers: () => dns.records.leftovers(NOW, 9),
        delete: () => dns.records.delete("a"),
      },
      locks: { take: () => dns.locks.take("k", "h", NOW, NOW + 1), release: () => dns.locks.release("k", "h") },
      rates: {
        turn: () => dns.rates.turn("k", { everyMs: 1, burst: 1 }, { now: NOW, latest: NOW + 1 }),
        silence: () => dns.rates.silence("k", NOW),
      },
    },
  } satisfies Partial<EveryCall>;
}

function ofOthers({ alerts, cursors, health, webAccess }: Store) {
  const grant = { digest: "d", kind: "code", actor: "anna", createdAt: NOW, expiresAt: NOW + 1 } as const;
  const answer = { key: "k", request: "r", at: NOW };
  return {
    alerts: {
      lock: () => alerts.lock(),
      state: () => alerts.state(),
      saveState: () => alerts.saveState(NEW_ALERT_STATE),
      save: () => alerts.save(alert({ rule: ALERT_RULES[0] })),
      list: async () => [await alerts.list({ all: true, limit: 9 }), await alerts.list({ all: false, limit: 9 })],
      open: () => alerts.open(),
      get: () => alerts.get("x"),
      lastRaised: () => alerts.lastRaised(),
      record: () => alerts.record({ channel: "ops", seq: 1, alert: "x", at: NOW, outcome: "sent", error: null }),
      receipt: () => alerts.receipt("ops", 1),
      receipts: async () => [await alerts.receipts({ limit: 9 }), await alerts.receipts({ alerts: ["x"], limit: 9 })],
      forget: () => alerts.forget(NOW),
      sign: () => alerts.sign("x"),
    },
    cursors: {
      claim: () => cursors.claim("ops", NOW, { leaseMs: 1_000, retryMaxMs: 1_000 }),
      list: () => cursors.list(),
      retryNow: () => cursors.retryNow("ops"),
      release: () => cursors.release(CURSOR, CURSOR),
      retain: () => cursors.retain(["ops"]),
    },
    health: {
      installation: () => health.installation(),
      beat: () => health.beat([heartbeat()]),
      beats: () => health.beats(),
      forgetBeats: () => health.forgetBeats({ before: NOW, after: NOW }),
      acknowledge: () =>
        health.acknowledge({ subject: "www", kinds: [], reason: "x", by: null, at: NOW, until: NOW + 1 }),
      acknowledgements: () => health.acknowledgements(NOW),
      withdraw: () => health.withdraw("www"),
    },
    webAccess: {
      add: () => webAccess.add(grant),
      session: () => webAccess.session("d", NOW),
      take: () => webAccess.take("d", NOW),
      remove: () => webAccess.remove("d"),
      reserve: () => webAccess.reserve(answer),
      known: () => webAccess.known(answer),
      answer: () => webAccess.answer("k", { status: 200, body: "" }),
      release: () => webAccess.release("k"),
      forget: () => webAccess.forget(NOW, NOW),
    },
  } satisfies Partial<EveryCall>;
}
