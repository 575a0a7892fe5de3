// The ways in which a deployment that reports success, or an endpoint that is only watched, is not what people want.
import type { Endpoint } from "../../src/domain/endpoint.ts";
import type { WatchState } from "../../src/domain/watched.ts";
import type { ServedPair } from "../support/servers/tlsServer.ts";
import { loadIntoHaproxy, type SabotageEstate, withChain, writeForHaproxy, writeForNginx } from "./sabotageEstate.ts";

/** Hosts whose addresses the drill's resolver knows. */
export const POOL = "pool.test";
export const SHORT_POOL = "short-pool.test";

interface Deployed {
  readonly estate: SabotageEstate;
  /** The certificate and its server name. */
  readonly name: string;
  /** The new pair with its whole chain. */
  readonly pair: ServedPair;
  /** The new pair alone. */
  readonly bare: ServedPair;
  readonly before: ServedPair;
  /** How long a proof takes at least. */
  readonly spreadMs: number;
}

export interface Sabotage {
  readonly title: string;
  readonly at: (estate: SabotageEstate) => Pick<Endpoint, "host" | "port">;
  /** In the place of a deployer, which says afterwards that all went well. */
  readonly deploy: (deployed: Deployed) => Promise<void> | void;
  /** Codes that name it; empty: the deployment is honest, and must be proved. */
  readonly codes: readonly string[];
  /** Its server has no certificate for the name. */
  readonly unbound?: true;
  /** Its issuing CA ends while the certificate is being proved. */
  readonly endingIssuer?: true;
}

const local = (port: number): Pick<Endpoint, "host" | "port"> => ({ host: "127.0.0.1", port });
const pooled = ({ pool }: SabotageEstate): Pick<Endpoint, "host" | "port"> => ({ host: POOL, port: pool.port });
const MIXED = ["verify.mixed", "verify.stale"];

/** The old pair for these of its connections, counted from 1. */
function everyNth(nth: number): Sabotage["deploy"] {
  return ({ estate, name, pair, before }) => {
    let connection = 0;
    estate.pool.serve(name, () => (++connection % nth === 0 ? before : pair));
  };
}

/** Both members serve this. */
function served(make: (deployed: Deployed) => ServedPair | Promise<ServedPair>): Sabotage["deploy"] {
  return async (deployed) => {
    const made = await make(deployed);
    deployed.estate.pool.serve(deployed.name, () => made);
  };
}

function inHaproxy(make: (deployed: Deployed) => ServedPair): Sabotage["deploy"] {
  return (deployed) => loadIntoHaproxy(deployed.estate.haproxy, deployed.name, make(deployed));
}

function inNginx(make: (deployed: Deployed) => ServedPair): Sabotage["deploy"] {
  return (deployed) => writeForNginx(deployed.estate.nginx, deployed.name, make(deployed));
}

const haproxy = { at: (estate: SabotageEstate) => local(estate.haproxy.port) };
const nginx = { at: (estate: SabotageEstate) => local(estate.nginx.port) };
const pool = { at: pooled };
const badChain = { codes: ["verify.badChain"] };
const stale = { codes: ["verify.stale"] };

export const HONEST: readonly Sabotage[] = [
  { title: "HAProxy takes it", ...haproxy, deploy: inHaproxy(({ pair }) => pair), codes: [] },
  { title: "nginx is reloaded", ...nginx, deploy: inNginx(({ pair }) => pair), codes: [] },
  { title: "both members take it", ...pool, deploy: served(({ pair }) => pair), codes: [] },
];

export const SABOTAGES: readonly Sabotage[] = [
  {
    ...{ title: "HAProxy's file is written and never loaded", ...haproxy, ...stale },
    deploy: ({ estate, name, pair }) => writeForHaproxy(estate.haproxy, name, pair),
  },
  {
    title: "HAProxy has it in memory only and is reloaded",
    at: ({ forgetful }) => local(forgetful.port),
    deploy: ({ estate, name, pair }) => loadIntoHaproxy(estate.forgetful, name, pair),
    ...stale,
  },
  {
    title: "an old worker of HAProxy goes on accepting beside the new one",
    at: ({ young }) => local(young.port),
    deploy: ({ estate, name, pair }) => loadIntoHaproxy(estate.young, name, pair),
    codes: MIXED,
  },
  {
    ...{ title: "HAProxy sends the intermediates in the wrong order", ...haproxy, ...badChain },
    deploy: inHaproxy(({ bare, estate: { authorities } }) => withChain(bare, authorities.upper, authorities.lower)),
  },
  { title: "HAProxy sends no intermediate", ...haproxy, ...badChain, deploy: inHaproxy(({ bare }) => bare) },
  {
    ...{ title: "HAProxy sends an intermediate that expired", ...haproxy, ...badChain },
    deploy: inHaproxy(({ bare, estate: { authorities } }) => withChain(bare, authorities.expired, authorities.upper)),
  },
  {
    ...{ title: "HAProxy has no certificate for the name", ...haproxy, deploy: () => {} },
    ...{ codes: ["verify.wrongCertificate"], unbound: true },
  },
  {
    title: "nginx's files are written and it is not reloaded",
    at: ({ unloaded }) => local(unloaded.port),
    ...{ ...stale, deploy: ({ estate, name, pair }) => writeForNginx(estate.unloaded, name, pair) },
  },
  { title: "nginx reads cert.pem, without the chain", ...nginx, ...badChain, deploy: inNginx(({ bare }) => bare) },
  {
    ...{ title: "nginx sends another CA's intermediate", ...nginx, ...badChain },
    deploy: inNginx(({ bare, estate: { authorities } }) => withChain(bare, authorities.stranger)),
  },
  {
    ...{ title: "the upper intermediate is missing", ...nginx, ...badChain },
    deploy: inNginx(({ bare, estate: { authorities } }) => withChain(bare, authorities.lower)),
  },
  {
    ...{ title: "nginx has no server block for the name", ...nginx, deploy: () => {} },
    ...{ codes: ["verify.wrongCertificate"], unbound: true },
  },
  {
    ...{ title: "one of two members keeps the old pair", ...pool, ...stale },
    deploy: ({ estate, name, pair, before }) =>
      estate.pool.serve(
        name,
        () => pair,
        () => before,
      ),
  },
  { title: "every 2nd answer is the old pair", ...pool, codes: MIXED, deploy: everyNth(2) },
  { title: "every 3rd answer is the old pair", ...pool, codes: MIXED, deploy: everyNth(3) },
  { title: "every 8th answer is the old pair", ...pool, codes: MIXED, deploy: everyNth(8) },
  {
    ...{ title: "the old pair is served an eighth of the time", ...pool, codes: MIXED },
    deploy: ({ estate, name, pair, before, spreadMs }) => {
      let period = -1;
      // At least once in each period: a machine that stands still for a moment must not hide the old pair.
      estate.pool.serve(name, () => {
        const [last, now] = [period, Date.now()];
        period = Math.floor(now / spreadMs);
        return period !== last || now % spreadMs < spreadMs / 8 ? before : pair;
      });
    },
  },
  {
    ...{ title: "the new pair is put back a moment later", ...pool, codes: MIXED },
    deploy: ({ estate, name, pair, before, spreadMs }) => {
      let until = 0;
      estate.pool.serve(name, () => {
        if (until === 0) until = Date.now() + spreadMs / 3;
        return Date.now() < until ? pair : before;
      });
    },
  },
  {
    ...{ title: "another certificate of the same CA for the name", ...pool, ...stale },
    deploy: served(async ({ name, estate: { authorities: by } }) =>
      withChain(await by.lower.issue({ names: [name] }), by.lower, by.upper),
    ),
  },
  {
    ...{ title: "a certificate for the name from a root that nobody trusts", ...pool, ...stale },
    deploy: served(({ name, estate }) => estate.authorities.stranger.issue({ names: [name] })),
  },
  {
    ...{ title: "the old pair, which expired", ...pool, ...stale },
    deploy: served(({ name, estate: { authorities: by } }) =>
      by.lower.issue({ names: [name], notBefore: new Date(Date.now() - 7e7), notAfter: new Date(Date.now() - 1e7) }),
    ),
  },
  {
    title: "nothing listens at one of two members",
    at: (estate) => ({ host: SHORT_POOL, port: estate.pool.port }),
    ...{ deploy: served(({ pair }) => pair), codes: ["verify.unreachable"] },
  },
  {
    ...{ title: "the port accepts and says nothing", deploy: () => {}, codes: ["verify.timeout"] },
    at: ({ silent }) => local(silent),
  },
  {
    ...{ title: "the port speaks plain HTTP", codes: ["verify.protocol"], deploy: () => {} },
    at: ({ plain }) => local(plain),
  },
  {
    ...{ title: "the issued intermediate ends meanwhile", ...pool, ...badChain, endingIssuer: true },
    deploy: served(({ pair }) => pair),
  },
];

export interface WatchedSabotage {
  readonly title: string;
  readonly state: WatchState;
  /** What the members serve. */
  readonly serve: (estate: SabotageEstate, name: string, before: ServedPair) => Promise<readonly ServedPair[]>;
  /** Behind the first address stand so many, of which the last one kept the old pair. */
  readonly behind?: number;
}

const HOUR_MS = 3_600_000;
const hours = (count: number): Date => new Date(Date.now() + count * HOUR_MS);

function issued(dates: { notBefore?: Date; notAfter?: Date }): WatchedSabotage["serve"] {
  return async ({ authorities: { lower, upper } }, name) => [
    withChain(await lower.issue({ names: [name], ...dates }), lower, upper),
  ];
}

/** Of endpoints whose certificates somebody else renews. */
export const WATCHED_SABOTAGES: readonly WatchedSabotage[] = [
  { title: "watched: it expired", state: "notValid", serve: issued({ notBefore: hours(-3), notAfter: hours(-1) }) },
  { title: "watched: it is not valid yet", state: "notValid", serve: issued({ notBefore: hours(1) }) },
  {
    ...{ title: "watched: the chain is missing", state: "badChain" },
    serve: async ({ authorities: { lower } }, name) => [await lower.issue({ names: [name] })],
  },
  {
    ...{ title: "watched: an intermediate expired", state: "badChain" },
    serve: async ({ authorities: { lower, expired, upper } }, name) => [
      withChain(await lower.issue({ names: [name] }), expired, upper),
    ],
  },
  {
    ...{ title: "watched: an untrusted root", state: "badChain" },
    serve: async ({ authorities: { stranger } }, name) => [await stranger.issue({ names: [name] })],
  },
  {
    ...{ title: "watched: another name", state: "wrongCertificate" },
    serve: async ({ authorities: { lower, upper } }) => [
      withChain(await lower.issue({ names: ["elsewhere.test"] }), lower, upper),
    ],
  },
  {
    ...{ title: "watched: one of two members kept the old pair", state: "stale" },
    serve: async ({ authorities: { lower, upper } }, name, before) => [
      withChain(await lower.issue({ names: [name] }), lower, upper),
      before,
    ],
  },
  {
    ...{ title: "watched: one of ten behind one address kept the old pair", state: "stale", behind: 10 },
    serve: async ({ authorities: { lower, upper } }, name) => [
      withChain(await lower.issue({ names: [name] }), lower, upper),
    ],
  },
];
