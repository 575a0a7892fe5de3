import type { Exercise } from "../../src/domain/exercise.ts";
import type { Peer } from "../../src/domain/peer.ts";
import { NOBODY } from "../../src/domain/responsibility.ts";
import type { SteadyMembers, SteadyPart } from "../../src/domain/steady.ts";
import type { Store } from "../../src/domain/store.ts";
import type { WatchDefinition } from "../../src/domain/watched.ts";
import { appliedConfiguration, certificate, DAY_MS, NOW } from "../support/model/facts.ts";

/** One entry for every method there is, in the order of their call: the compiler asks for one when a method is added. */
type Calls<Port> = { readonly [Method in keyof Port]: () => unknown };
type PortName = Exclude<
  keyof Store,
  "transaction" | "repairNumbers" | "serverTime" | "serverVersion" | "close" | "dns"
>;
export type EveryCall = { readonly [Port in PortName]: Calls<Store[Port]> } & {
  readonly dns: { readonly [Part in keyof Store["dns"]]: Calls<Store["dns"][Part]> };
};

export const CLAIM = { now: NOW, nextAt: NOW + 1, limit: 9 };
export const STEADY_PART: SteadyPart = {
  ...{ after: "", last: "www", checkedAt: NOW, seq: 1, release: "1.0.0", vantages: [] },
  ...{ steady: { provedLive: 1, notProved: 0, soonest: ["www", NOW] }, others: ["api"] },
};
export const STEADY_MEMBERS: SteadyMembers = { provedLive: [["www", NOW]], notProved: [] };
const DRILL = { id: "p", scenario: "revoked", startedAt: NOW, finishedAt: null, members: [] } as const;
const PRINT = "ab".repeat(32);
const FOUND = {
  ...{ fingerprint: PRINT, key: PRINT, serial: "01", subject: "www", issuer: "CA", names: ["www.example.org"] },
  ...{ notBefore: NOW, notAfter: NOW + DAY_MS, keyText: "ECDSA P-256" },
};
const AT_PLACE = { source: "files", place: "/x.pem", endpoint: null, target: null } as const;
const PLACE = { key: "www@127.0.0.1:443", host: "127.0.0.1", address: "127.0.0.1", port: 443, sni: "www" };
const SEEN = { fingerprint: PRINT, der: new Uint8Array(1), keyDigest: PRINT };
const WATCHED: WatchDefinition = {
  ...{ key: "shop", origin: "configured", foundBy: [], responsibility: NOBODY },
  endpoint: { host: "shop.example.org", port: 443, sni: "shop.example.org", target: null },
  expects: { minLeftMs: null, trusted: false },
};
const LOOK = { at: NOW, state: "good", problem: null, expiresAt: NOW, since: NOW, addresses: [] } as const;

const PEER: Peer = {
  ...{ name: "berlin", url: "https://berlin.example", everyMs: 1, state: "late", since: NOW, askedAt: NOW },
  ...{ failures: 1, problem: "x", sweptAt: NOW, lastWellAt: null },
};
const EXERCISE: Exercise = {
  ...{ id: "e", certificate: "www", target: "lb", generation: 1, startedAt: NOW, by: null, withinMs: 1 },
  ...{
    brokenAt: null,
    problem: null,
    alert: null,
    step: 0,
    notifiedAt: null,
    acknowledgedAt: null,
    acknowledgedBy: null,
  },
  ...{ endedAt: null, outcome: null, finishedAt: null },
};

/** What is outside renewd: found, watched and served, and what others ask renewd. */
export function ofOutside(store: Store) {
  const {
    applied,
    definitions,
    drills,
    exercises,
    peers,
    horizon,
    inventory,
    watched,
    served,
    steady,
    vantages,
    nameServerTotals,
  } = store;
  return {
    drills: { save: () => drills.save(DRILL), list: () => drills.list(9), running: () => drills.running() },
    steady: {
      save: async () => {
        await steady.save(STEADY_PART, STEADY_MEMBERS);
        await steady.save({ ...STEADY_PART, last: null }, STEADY_MEMBERS);
      },
      known: () => steady.known(),
      list: () => steady.list(),
      members: async () => steady.members(await steady.list()),
      changedSince: () => steady.changedSince(0),
      suspects: () => steady.suspects({ checkDueBefore: NOW, proofsFrom: NOW }),
      oldestProofs: () => steady.oldestProofs(NOW, 9),
    },
    applied: {
      record: async () => {
        await applied.record(appliedConfiguration(), [certificate(), certificate({ name: "api" })]);
        await applied.record(appliedConfiguration({ sourceDigest: "2", certificates: 1 }), [
          certificate({ digest: "2" }),
        ]);
      },
      read: () => applied.read(),
      names: () => applied.names(),
      certificates: async () => [
        ...(await applied.certificates({ limit: 9 })),
        ...(await applied.certificates({ names: [], limit: 0 })),
        ...(await applied.certificates({ names: ["www"], after: "a", limit: 9 })),
      ],
    },
    exercises: {
      save: () => exercises.save(EXERCISE),
      list: () => exercises.list(9),
      running: () => exercises.running(),
    },
    peers: { save: () => peers.save(PEER), list: () => peers.list(), keep: () => peers.keep([]) },
    vantages: {
      claimLooks: () => vantages.claimLooks("office", CLAIM),
      bringForward: () => vantages.bringForward(NOW),
    },
    horizon: {
      replace: async () => {
        const of = { kind: "token", subject: "target lb", owner: null, runbook: null } as const;
        const ends = { what: "token", ends: NOW, begins: null, note: null, checkedAt: NOW, problem: null };
        await horizon.replace("target lb", [{ ...of, ...ends }]);
      },
      list: () => horizon.list(),
      keep: () => horizon.keep([]),
    },
    definitions: {
      write: () => definitions.write([{ name: "www", definition: {} }], { seen: 0, at: NOW, by: null }),
      revision: () => definitions.revision(),
      list: () => definitions.list(),
      removal: () => definitions.removal("www"),
    },
    inventory: {
      record: () => inventory.record([{ certificate: FOUND, place: AT_PLACE }], NOW),
      list: async () => {
        const filters = [{}, { fingerprints: [PRINT] }, { key: PRINT }, { source: "files", endsBefore: NOW }];
        for (const filter of filters) await inventory.list(filter);
      },
      count: () => inventory.count(),
      find: () => inventory.find("ab"),
      ignore: async () => {
        await inventory.ignore(PRINT, { reason: "x", by: null, at: NOW, until: NOW + 1 });
        await inventory.ignore(PRINT, null);
      },
      announce: () => inventory.announce([PRINT], 1),
      forget: () => inventory.forget(NOW),
      saveRun: () => inventory.saveRun({ source: "files", startedAt: NOW, finishedAt: NOW, found: 1, problems: [] }),
      runs: () => inventory.runs(),
      claimRun: () => inventory.claimRun(NOW, 1),
    },
    watched: {
      configure: () => watched.configure([WATCHED], NOW),
      addFound: () => watched.addFound([{ ...WATCHED, key: "found", origin: "found" }], NOW),
      get: () => watched.get("shop"),
      list: async () => [await watched.list(), await watched.list({ after: "a", limit: 9 })],
      claim: () => watched.claim(CLAIM),
      record: () => watched.record([{ watched: WATCHED, look: LOOK, nextLookAt: NOW }]),
      bringForward: () => watched.bringForward(NOW),
      overdue: () => watched.overdue(NOW),
      remove: () => watched.remove("shop"),
    },
    served: {
      record: () => served.record([{ place: PLACE, at: NOW, certificates: [SEEN], code: null }]),
      places: async () => [
        await served.places({ name: "www", port: 443 }, 9),
        await served.places({ name: "www", port: null }, 9),
      ],
      changes: async () => [
        await served.changes(PLACE.key, { limit: 9 }),
        await served.changes(PLACE.key, { before: NOW, limit: 9 }),
      ],
      at: () => served.at(PLACE.key, NOW),
      certificates: () => served.certificates([PRINT]),
      seenAt: async () => [await served.seenAt({ leaf: PRINT }, 9), await served.seenAt({ keyDigest: PRINT }, 9)],
      forget: () => served.forget(NOW + 1, 9),
    },
    nameServerTotals: {
      add: () => nameServerTotals.add([{ transport: "udp", answer: "value", count: 1 }], NOW),
      list: () => nameServerTotals.list(),
    },
  } satisfies Partial<EveryCall>;
}
