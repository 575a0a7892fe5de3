// What a deployer says is not believed: sabotaged deployments at real servers, by the real verbs, with real handshakes.
import pLimit from "p-limit";
import { systemClock } from "../../src/compose/clock.ts";
import { haproxy } from "../../src/deployers/haproxy/haproxy.ts";
import type { Certificate } from "../../src/domain/certificate.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { Context } from "../../src/renewal/context.ts";
import { configure } from "../../src/renewal/plan/configure.ts";
import { planDue } from "../../src/renewal/plan/plan.ts";
import { DEFAULT_SETTINGS } from "../../src/renewal/rules/settings.ts";
import { deploy } from "../../src/renewal/steps/deploy.ts";
import { issue } from "../../src/renewal/steps/issue.ts";
import { verify } from "../../src/renewal/steps/verify.ts";
import { lookAtWatched } from "../../src/renewal/watch/lookAtWatched.ts";
import { observeDue } from "../../src/renewal/watch/observe.ts";
import { createProbe } from "../../src/tls/probe.ts";
import { createServedJudge } from "../../src/tls/scan/servedJudge.ts";
import { readLeaf } from "../../src/x509/leaf.ts";
import { rootsOf } from "../../src/x509/trust.ts";
import { watchDefinition } from "../support/model/watched.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../support/model/workbench.ts";
import { dependencies } from "../support/pairs/targetSecrets.ts";
import type { ServedPair } from "../support/servers/tlsServer.ts";
import type { Drill, Injection, Outcome } from "./drill.ts";
import {
  createAuthorities,
  MEMBERS,
  NO_MEMBER,
  reloadNginx,
  type SabotageEstate,
  startSabotageEstate,
  withChain,
} from "./sabotageEstate.ts";
import { HONEST, POOL, SABOTAGES, type Sabotage, SHORT_POOL, WATCHED_SABOTAGES } from "./sabotages.ts";
import { percentile } from "./timeline.ts";

const COUNT = 200;
/** Verified at the same time. */
const BATCH = 50;
/** Looked at at the same time. */
const WATCHED_BATCH = 8;
const FOUND_MAX_MS = 30_000;
const HANDSHAKE_MAX_MS = 10_000;
const SILENT_MAX_MS = 2_000;
/** The rest of the name server. */
const HOSTS: Readonly<Record<string, readonly string[]>> = {
  [POOL]: MEMBERS,
  [SHORT_POOL]: [MEMBERS[0], NO_MEMBER],
};

interface Terms {
  readonly spreadMs: number;
  readonly verifyTimeoutMs: number;
}
/** The proof that people get by default. */
const FULL: Terms = { spreadMs: DEFAULT_SETTINGS.proof.spreadMs, verifyTimeoutMs: 14_000 };
const QUICK: Terms = { spreadMs: 2_400, verifyTimeoutMs: 3_500 };

interface Case {
  readonly name: string;
  readonly sabotage: Sabotage;
}

async function sabotages(count: number, terms: Terms, observesAgain: boolean): Promise<Outcome> {
  await using stack = new AsyncDisposableStack();
  const authorities = await createAuthorities();
  const { lower, upper } = authorities;
  const kinds = [...SABOTAGES, ...WATCHED_SABOTAGES];
  const chosen = Array.from({ length: count }, (_, index) => ({ index, kind: kinds[index % kinds.length] }));
  const nameOf = (index: number): string => `s${index}.drill.test`;
  const cases: Case[] = [
    ...HONEST.map((sabotage, index) => ({ name: `honest${index}.drill.test`, sabotage })),
    ...chosen.flatMap(({ index, kind }) =>
      kind !== undefined && "deploy" in kind ? [{ name: nameOf(index), sabotage: kind }] : [],
    ),
  ];
  const watched = chosen.flatMap(({ index, kind }) =>
    kind !== undefined && "serve" in kind ? [{ name: nameOf(index), sabotage: kind }] : [],
  );
  const notBefore = new Date(Date.now() - 7_200_000);
  const before = new Map<string, ServedPair>();
  for (const { name, sabotage } of [...cases, ...watched])
    if (!("unbound" in sabotage))
      before.set(name, withChain(await lower.issue({ names: [name], notBefore }), lower, upper));
  const estate = stack.use(await startSabotageEstate(authorities, before));
  const bench = stack.use(await Workbench.open(cases.map((each) => certificateOf(each, estate, terms))));
  const context = contextOf(bench, { estate, cases, before, terms });

  const found = await deployAndVerify(bench, context, { cases, estate });
  const problems = await judge(bench, cases, found);
  if (observesAgain) {
    await observeAgain(context, cases);
    problems.push(...(await judge(bench, cases, found)));
  }
  const proofs = await bench.store.events.list({ types: ["verify.converged"], limit: 1_000 });
  const atOnce = proofs.filter(({ detail }) => detail.process !== undefined).length;
  const looks = await lookAtAll(context, { estate, watched, before });
  const times = [...found.values(), ...looks.injections];
  const sabotaged = times.length - HONEST.length;
  const tookMs = times.map(({ at, convergedAt }) => convergedAt - at);
  return {
    injections: times,
    problems: [...new Set(problems), ...looks.problems],
    notes: [
      `${sabotaged} sabotaged of ${kinds.length} kinds, ${HONEST.length} honest beside them, of which ${atOnce} were proved at once; ` +
        `found within ${((percentile(tookMs, 1) ?? 0) / 1000).toFixed(1)} s`,
    ],
  };
}

function certificateOf({ name, sabotage }: Case, estate: SabotageEstate, { verifyTimeoutMs }: Terms): Certificate {
  const silent = sabotage.codes.includes("verify.timeout") ? { handshakeTimeoutMs: SILENT_MAX_MS } : {};
  return modelCertificate(name, {
    identifiers: [{ type: "dns", value: name }],
    targets: [name],
    endpoints: [{ ...sabotage.at(estate), sni: name, target: name, ...silent }],
    verifyTimeoutMs,
  });
}

interface Sabotaged {
  readonly estate: SabotageEstate;
  readonly cases: readonly Case[];
  readonly before: ReadonlyMap<string, ServedPair>;
  readonly terms: Terms;
}

/** The bench's verbs and database with real handshakes, real time, a CA of the drill and sabotaged deployers. */
function contextOf(bench: Workbench, { estate, cases, before, terms }: Sabotaged): Context {
  const { lower, upper, root } = estate.authorities;
  const roots = rootsOf([root.certPem]);
  const byName = new Map(cases.map((each) => [each.name, each.sabotage]));
  const { socket, directory } = estate.haproxy;
  const file = `${directory}/{certificate}.pem`;
  const real = haproxy.create(haproxy.options.parse({ socket, file }), dependencies("haproxy"));
  const resolve = async (host: string): Promise<string[]> => [...(HOSTS[host] ?? [host])];
  return {
    ...bench.context,
    clock: systemClock,
    probe: createProbe({ timeoutMs: HANDSHAKE_MAX_MS, now: Date.now, resolve }),
    judge: createServedJudge(() => roots),
    settings: {
      ...bench.context.settings,
      mayDial: () => true,
      proof: { ...DEFAULT_SETTINGS.proof, spreadMs: terms.spreadMs },
      planBudgetMs: 60_000,
    },
    services: {
      ...bench.context.services,
      issuer: () => ({
        issue: async ({ certificate }) => {
          const notAfter = new Date(Date.now() + terms.spreadMs / 2);
          const by = byName.get(certificate)?.endingIssuer ? await upper.intermediate({ notAfter }) : lower;
          const { certPem, keyPem } = await by.issue({ names: [certificate] });
          const chainPem = [by.certPem, upper.certPem];
          return { leaf: readLeaf(certPem), leafPem: certPem, chainPem, privateKey: new Secret(keyPem) };
        },
      }),
      deployer: (name) => ({
        deploy: async ({ pair: { generation, leafPem, chainPem, privateKey } }) => {
          const keyPem = privateKey.reveal();
          const bare = { certPem: leafPem, keyPem };
          const pair = { certPem: [leafPem, ...chainPem].join(""), keyPem };
          const old = before.get(name) ?? bare;
          await byName.get(name)?.deploy({ estate, name, pair, bare, before: old, spreadMs: terms.spreadMs });
          return { generation };
        },
        // What is sabotaged must not be proved sooner either.
        server: (request, signal) => real.server?.(request, signal) ?? Promise.resolve(null),
      }),
    },
  };
}

/** When the verification of each began and when it said what it found. */
async function deployAndVerify(
  bench: Workbench,
  context: Context,
  { cases, estate }: Pick<Sabotaged, "cases" | "estate">,
): Promise<ReadonlyMap<string, Injection>> {
  const found = new Map<string, Injection>();
  const limit = pLimit(8);
  await configure(context, NO_SIGNAL);
  await planDue(context, NO_SIGNAL);
  const jobs = bench.jobs.splice(0);
  await Promise.all(
    jobs.map((job) => limit(() => (job.kind === "issue" ? issue(context, job.renewalId, NO_SIGNAL) : undefined))),
  );
  const deploys = bench.jobs.splice(0);
  if (deploys.length !== cases.length)
    throw new Error(`${cases.length} certificates, ${jobs.length} planned, ${deploys.length} to deploy`);
  for (let from = 0; from < deploys.length; from += BATCH) {
    const batch = deploys.slice(from, from + BATCH);
    for (const job of batch) if (job.kind === "deploy") await deploy(context, job.renewalId, job.target, NO_SIGNAL);
    await Promise.all([reloadNginx(estate.nginx), estate.forgetful.reload()]);
    const verifying = bench.jobs.splice(0).map(async (job) => {
      const at = Date.now();
      await verify(context, job.renewalId, NO_SIGNAL);
      const renewal = await bench.store.renewals.get(job.renewalId);
      if (renewal !== null) found.set(renewal.certificate, { at, convergedAt: Date.now() });
    });
    await Promise.all(verifying);
  }
  return found;
}

async function judge(
  { store }: Workbench,
  cases: readonly Case[],
  found: ReadonlyMap<string, Injection>,
): Promise<string[]> {
  const problems: string[] = [];
  for (const { name, sabotage } of cases) {
    const [status] = await store.observations.statuses(name);
    const told = (what: string): void => void problems.push(`${name} (${sabotage.title}): ${what}`);
    const took = found.get(name);
    if (status === undefined || took === undefined) {
      told("it was not verified");
      continue;
    }
    const converged = await store.events.list({ certificate: name, types: ["verify.converged"], limit: 10 });
    const isProved = status.proved || converged.length > 0 || (await store.versions.latest(name))?.verifiedAt != null;
    const { code, message } = { code: status.errorCode ?? "none", message: status.errorMessage ?? "" };
    if (sabotage.codes.length === 0) {
      if (!status.proved) told(`honest, and not proved: ${code} ${message}`);
      continue;
    }
    if (isProved) told("it was called proved");
    else if (!sabotage.codes.includes(code)) told(`it was named ${code}: ${message}`);
    if (took.convergedAt - took.at > FOUND_MAX_MS) told(`found after ${took.convergedAt - took.at} ms`);
  }
  return problems;
}

/** What was found must not be called proved by the next looks either. */
async function observeAgain(context: Context, cases: readonly Case[]): Promise<void> {
  for (const { name } of cases) await context.store.certificates.update(name, { nextObservationAt: Date.now() });
  await observeDue(context, NO_SIGNAL);
}

interface Watching extends Pick<Sabotaged, "estate" | "before"> {
  readonly watched: readonly { readonly name: string; readonly sabotage: (typeof WATCHED_SABOTAGES)[number] }[];
}

interface Looks {
  readonly injections: readonly Injection[];
  readonly problems: readonly string[];
}

/** In parts: servers and verifier share one process here, whose time is not that of the looks alone. */
async function lookAtAll(context: Context, { watched, ...rest }: Watching): Promise<Looks> {
  const looks: Looks[] = [];
  for (let from = 0; from < watched.length; from += WATCHED_BATCH)
    looks.push(await lookAtSome(context, { ...rest, watched: watched.slice(from, from + WATCHED_BATCH) }));
  return {
    injections: looks.flatMap(({ injections }) => injections),
    problems: looks.flatMap(({ problems }) => problems),
  };
}

/** Once as they were, and once sabotaged. */
async function lookAtSome(context: Context, { estate, watched, before }: Watching): Promise<Looks> {
  const { store } = context;
  const place = { host: POOL, port: estate.pool.port };
  const definitions = watched.map(({ name }) => watchDefinition(name, { ...place, sni: name }));
  await store.watched.configure(definitions, Date.now());
  await lookAtWatched(context, NO_SIGNAL);
  const problems: string[] = [];
  for (const { name, sabotage } of watched) {
    const look = (await store.watched.get(name))?.look;
    if (look?.state !== "good") problems.push(`${name} was ${look?.state} before anything was done to it`);
    const old = before.get(name);
    if (old === undefined) throw new Error(`${name} has no pair`);
    const [first = old, second = first] = await sabotage.serve(estate, name, old);
    const { behind = 0 } = sabotage;
    let connections = 0;
    estate.pool.serve(
      name,
      () => (behind > 0 && ++connections % behind === 0 ? old : first),
      () => second,
    );
  }
  const at = Date.now();
  await store.watched.bringForward(at);
  await lookAtWatched(context, NO_SIGNAL);
  for (const { name, sabotage } of watched) {
    const look = (await store.watched.get(name))?.look;
    if (look?.state !== sabotage.state)
      problems.push(`${name} (${sabotage.title}): it was named ${look?.state}: ${look?.problem?.message}`);
  }
  const convergedAt = Date.now();
  if (convergedAt - at > FOUND_MAX_MS) problems.push(`watched endpoints were found after ${convergedAt - at} ms`);
  return { injections: watched.map(() => ({ at, convergedAt })), problems };
}

export const SABOTAGE_DRILLS: readonly Drill[] = [
  {
    name: "sabotages",
    faults: "41–46",
    title: `${COUNT} deployments that report success are sabotaged: each is named within 30 s, and none is called proved`,
    quick: true,
    alone: ({ quick }) =>
      quick ? sabotages(SABOTAGES.length + WATCHED_SABOTAGES.length, QUICK, false) : sabotages(COUNT, FULL, true),
  },
];
