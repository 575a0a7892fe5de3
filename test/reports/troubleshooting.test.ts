// docs/troubleshooting.md names codes and commands that exist, and every line that it quotes is one that status prints.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ProblemNote } from "../../src/compose/beats.ts";
import { directoryMark } from "../../src/compose/directoryMark.ts";
import { openViewer } from "../../src/compose/index.ts";
import { sharedPort } from "../../src/compose/portWatch.ts";
import { QUARANTINED } from "../../src/domain/certificate.ts";
import { ERRORS } from "../../src/domain/errorTable.ts";
import type { Heartbeat, ProcessProblemKind } from "../../src/domain/heartbeat.ts";
import { ROLES } from "../../src/domain/role.ts";
import { OF_OTHERS } from "../../src/renewal/rules/served.ts";
import { statusReport } from "../../src/reports/status.ts";
import { openVault } from "../../src/store/index.ts";
import { startHttp01Responder } from "../../src/web/http01.ts";
import { certificate, DAY_MS, endpointStatus, heartbeat, NOW, renewal } from "../support/model/facts.ts";
import { applyFile } from "../support/system/appliedConfiguration.ts";
import { createEstate, ENDPOINT, type Estate } from "../support/system/estate.ts";
import { configText, createInstallation, type Installation } from "../support/system/installation.ts";

const documented = (): Promise<string> => readFile(new URL("../../docs/troubleshooting.md", import.meta.url), "utf8");
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

type Report = Awaited<ReturnType<typeof statusReport>>;

it("names only codes that exist", async () => {
  const codes = [...(await documented()).matchAll(/`([a-z][A-Za-z0-9]+\.[a-z][A-Za-z]+)`/g)].map(
    ([, code = ""]) => code,
  );
  const named = codes.filter((code) => !code.endsWith(".yaml"));
  expect(named.length).toBeGreaterThan(25);
  expect(named.filter((code) => !Object.hasOwn(ERRORS, code))).toEqual([]);
});

it("advises only commands that exist", async () => {
  const reference = await readFile(new URL("../../docs/cli.md", import.meta.url), "utf8");
  const known = new Set([...reference.matchAll(/^## `renewd ([a-z]+)/gm)].map(([, command]) => command));
  const advised = [...(await documented()).matchAll(/`renewd ([a-z]+)/g)].map(([, command]) => command);
  expect(advised.length).toBeGreaterThan(15);
  expect(advised.filter((command) => !known.has(command))).toEqual([]);
});

function withProblem(kind: ProcessProblemKind, found: ProblemNote | null): Heartbeat[] {
  return ROLES.map((role) => heartbeat({ role, problems: found === null ? [] : [{ kind, ...found, since: NOW }] }));
}

/** What an estate shows when the symptom is really there. */
const ESTATE: Readonly<Record<string, (estate: Estate) => Promise<Report>>> = {
  "no … runs: …": async (estate) => estate.report([await estate.live("www")], NOW, { beats: [] }),

  "no verifier of vantage … runs, so what is served there is unknown: …": async (estate) => {
    const www = await estate.live("www");
    const endpoints = www.endpoints.map((endpoint) => ({ ...endpoint, vantage: "office" }));
    return estate.report([{ ...www, endpoints }]);
  },

  "the planner runs (…) but has planned nothing for …": async (estate) => {
    const beats = ROLES.map((role) => heartbeat({ role, usefulAt: NOW - HOUR_MS }));
    return estate.report([await estate.live("www")], NOW, { beats });
  },

  "… waiting for the … role for …: it runs (…) but takes no work": async (estate) => {
    const www = await estate.live("www", { record: { nextCheckAt: null } });
    await estate.store.renewals.insert(renewal({ state: "planned", generation: 2, createdAt: NOW - 5 * MINUTE_MS }));
    const beats = ROLES.map((role) => heartbeat({ role, usefulAt: role === "acme" ? NOW - HOUR_MS : NOW }));
    return estate.report([www], NOW, { beats });
  },

  "… left the configuration … ago while … served it: nothing renews it, and it expires in …": async (estate) => {
    const old = await estate.live("old");
    await estate.report([old]);
    const { leaf } = (await estate.store.versions.latest("old")) ?? expect.unreachable();
    const served = { ...leaf, subjectAltNames: [], issuer: "CA", chain: [] };
    const seen = {
      address: "127.0.0.1",
      port: 443,
      sni: "www.example.org",
      at: NOW,
      durationMs: 1,
      served,
      problem: null,
    };
    await estate.store.observations.record(endpointStatus({ certificate: "old", endpoint: ENDPOINT }), [seen]);
    return estate.report([]);
  },

  "the planner has not loaded … yet": async (estate) => {
    const www = await estate.live("www");
    await estate.report([www]);
    return statusReport(estate.store, [www, certificate({ name: "new" })], NOW);
  },

  "… planners use one database with different configurations: …": async (estate) => {
    const other = heartbeat({ process: "web-2/7", host: "web-2", digest: "configuration-2" });
    const beats = [...ROLES.map((role) => heartbeat({ role })), other];
    return estate.report([await estate.live("www")], NOW, { beats });
  },

  "another installation (…) listens on port … of the … as well: …": async (estate) => {
    const of = { host: "127.0.0.1", challenges: { get: async () => null } };
    const ours = await startHttp01Responder({ ...of, port: 0, identity: "ours" });
    const theirs = await startHttp01Responder({ ...of, port: ours.port, identity: "theirs" });
    const question = { listener: "http01", at: { host: of.host, port: ours.port }, identity: "ours" } as const;
    const pids = async () => new Set([process.pid]);
    const found = await sharedPort({ ...question, ours: pids }, new AbortController().signal);
    await Promise.all([ours.close(), theirs.close()]);
    return estate.report([await estate.live("www")], NOW, { beats: withProblem("port", found) });
  },

  "another installation (…) uses the data directory … as well, …": async (estate) => {
    const directory = await mkdtemp(join(tmpdir(), "renewd-mark-"));
    await directoryMark(directory, "theirs", "/etc/theirs.yaml").check();
    const found = await directoryMark(directory, "ours", "/etc/ours.yaml").check();
    await rm(directory, { recursive: true });
    return estate.report([await estate.live("www")], NOW, { beats: withProblem("directory", found) });
  },

  "nothing has happened for … while …": async (estate) => {
    const www = await estate.live("www", { record: { nextCheckAt: null } });
    await estate.store.renewals.insert(renewal({ state: "issuing", generation: 2, createdAt: NOW - HOUR_MS }));
    return estate.report([www]);
  },

  "paused … ago (…) although a renewal is due": async (estate) => {
    const paused = { pausedAt: NOW - HOUR_MS, pausedReason: "migration", pausedUntil: null };
    const www = await estate.live("www", { notAfter: NOW + 5 * DAY_MS, record: paused });
    return estate.report([www]);
  },

  "quarantined: nothing is tried until it is resumed": async (estate) => {
    const crashed = {
      pausedAt: NOW - HOUR_MS,
      pausedReason: `${QUARANTINED}3 crashes`,
      lastErrorCode: "internal.crashLoop",
    };
    return estate.report([await estate.live("www", { record: crashed })]);
  },

  "… of … not serving a valid certificate for its names": async (estate) => {
    const wrong = { proved: false, errorCode: "verify.wrongCertificate", errorMessage: "127.0.0.1: not for it" };
    const status = endpointStatus({ certificate: "www", endpoint: ENDPOINT, generation: OF_OTHERS, ...wrong });
    await estate.store.observations.record(status, []);
    return estate.report([certificate({ name: "www", mode: "observe" })]);
  },

  "… of … not serving generation …": async (estate) => {
    const www = await estate.live("www");
    const wrong = { proved: false, errorCode: "verify.stale", errorMessage: "127.0.0.1 serves another" };
    await estate.store.observations.record(endpointStatus({ certificate: "www", endpoint: ENDPOINT, ...wrong }), []);
    return estate.report([www]);
  },

  "… of … not holding generation … (…), which was issued … ago": async (estate) => {
    const www = await estate.live("www");
    await estate.issue("www", 2, NOW + 90 * DAY_MS);
    await estate.store.deployments.want("www", ["lb"], 2);
    return estate.report([www]);
  },

  "held … with … of … targets on generation …": async (estate) => {
    const www = await estate.live("www", { record: { nextCheckAt: null } });
    const at = NOW - HOUR_MS;
    await estate.store.renewals.insert(renewal({ id: "held-1", state: "held", generation: 2, createdAt: at }));
    const event = {
      at,
      type: "renewal.held",
      certificate: "www",
      renewalId: "held-1",
      target: null,
      detail: {},
    } as const;
    await estate.store.events.append(event);
    return estate.report([www]);
  },

  "the renewal in flight fails (…, … so far)": async (estate) => {
    const www = await estate.live("www", { record: { nextCheckAt: null } });
    const refused = { errorCode: "acme.caa", errorMessage: "CAA forbids it", attempts: 2, retryAt: NOW + HOUR_MS };
    await estate.store.renewals.insert(
      renewal({ state: "issuing", generation: 2, createdAt: NOW - HOUR_MS, ...refused }),
    );
    return estate.report([www]);
  },

  "nobody has dialled the endpoints of … for …": async (estate) =>
    estate.report([await estate.live("www", { record: { nextCheckAt: NOW + 60 * DAY_MS } })], NOW + 20 * DAY_MS),

  "channel … has failed … times in a row: …": async (estate) => {
    const { cursors } = estate.store;
    const claimed = (await cursors.claim("ops", NOW, { leaseMs: 1_000, retryMaxMs: 1_000 })) ?? expect.unreachable();
    await cursors.release(claimed, { seq: 0, failures: 4, nextAttemptAt: null, lastErrorMessage: "HTTP 503" });
    return estate.report([await estate.live("www")]);
  },

  "the last rehearsal of … failed: …": async (estate) =>
    estate.report([await estate.live("www", { record: { rehearsalProblem: "target lb: no route" } })]),

  "expires in … and nothing newer is proved live": async (estate) => {
    const www = await estate.live("www", { notAfter: NOW + 2 * DAY_MS });
    await estate.store.versions.markVerified("www", 1, NOW - 80 * DAY_MS);
    return estate.report([www]);
  },
};

/** What is found when the files of an installation are looked at. */
const INSTALLATION: Readonly<Record<string, (installation: Installation) => Promise<void>>> = {
  "there is no database … yet: renewd has not run here": async ({ directory, store }) => {
    await store.close();
    await rm(join(directory, "data"), { recursive: true });
  },
  "… is wrong, so renewd cannot start or reload: …; shown is the configuration in force": async (installation) => {
    await applyFile(installation, NOW);
    await writeFile(installation.configFile, "version: 1\ndataDir: data\nisuers: {}\n");
  },
  "the master key … is missing although the database was sealed with it": ({ directory }) =>
    rm(join(directory, "data", "master.key")),
  "the master key is another one than the database was sealed with: …": async ({ directory }) => {
    const file = join(directory, "data", "master.key");
    await rm(file);
    await openVault({ file });
  },
};

function pattern(line: string): RegExp {
  const parts = line.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".+")}`);
}

describe("status prints the line of the documentation when its cause is there:", () => {
  let estate: Estate;
  beforeEach(async () => {
    estate = await createEstate();
  });
  afterEach(() => estate[Symbol.asyncDispose]());

  it.each(Object.entries(ESTATE))("%s", async (line, produce) => {
    const { notices, problems } = await produce(estate);
    const printed = [
      ...notices.map(({ what }) => what),
      ...problems.flatMap((each) => each.problems.map(({ what }) => what)),
    ];
    expect(printed).toContainEqual(expect.stringMatching(pattern(line)));
  });

  it.each(Object.entries(INSTALLATION))("%s", async (line, spoil) => {
    await using installation = await createInstallation(configText(["www"]));
    await spoil(installation);
    await using viewer = await openViewer(installation.configFile);
    expect(viewer.found.map(({ what }) => what)).toContainEqual(expect.stringMatching(pattern(line)));
  });

  it("and there is no other line in the documentation", async () => {
    const lines = [...(await documented()).matchAll(/^\| `([^`]*…[^`]*|quarantined[^`]*)` \|/gm)].map(
      ([, line]) => line,
    );
    expect(lines.length).toBeGreaterThan(15);
    expect([...Object.keys(ESTATE), ...Object.keys(INSTALLATION)].sort()).toEqual(lines.sort());
  });
});
