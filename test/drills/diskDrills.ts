// Faults 6, 18 and 19: killed, or refused by the system, at one exact system call or statement.

import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { servedFingerprint, storedFingerprint } from "../support/servers/served.ts";
import { until } from "../support/until.ts";
import type { Drill, Injection } from "./drill.ts";
import type { Site } from "./sites.ts";
import type { World } from "./world.ts";

/**
 * -D keeps the worker our own child; the seccomp filter, which makes tracing cheap, cannot be had with injected
 * signals.
 */
const TRACE = ["strace", "-D", "-f", "-qq", "-o", "/dev/null"] as const;
const HANDOVER_MS = 90_000;

/**
 * Only this one deploys until it has died or been relieved; strace counts calls per thread, so there is one pool
 * thread.
 */
async function onlyDeployer(world: World, wrapper: readonly string[]): Promise<void> {
  for (const { name } of world.fleet.slots("deployer")) await world.fleet.rest(name);
  world.fleet.start("deployer-1", { wrapper, env: { UV_THREADPOOL_SIZE: "1" } });
  await world.fleet.allReady();
}

async function relieve(world: World): Promise<void> {
  await world.fleet.rest("deployer-1");
  for (const { name } of world.fleet.slots("deployer")) world.fleet.start(name);
  await world.fleet.allReady();
}

function siteAt(world: World, index: number): Site {
  const site = world.sites[index];
  if (site === undefined) throw new Error(`this drill needs ${index + 1} certificates`);
  return site;
}

/** Which system call kills, and for which of the sites (0: HAProxy, 2: nginx). */
const CALLS: readonly { readonly site: number; readonly call: string; readonly when: number; readonly quick?: true }[] =
  [
    { site: 0, call: "rename", when: 1 },
    { site: 0, call: "rename", when: 2, quick: true },
    { site: 0, call: "rename", when: 3 },
    { site: 0, call: "rename", when: 4 },
    { site: 0, call: "rename", when: 5 },
    { site: 0, call: "fsync", when: 2 },
    { site: 2, call: "rename", when: 2 },
    { site: 2, call: "rename", when: 5 },
    { site: 2, call: "fsync", when: 3 },
  ];

const killAtSyscall: Drill = {
  name: "kill-at-syscall",
  faults: "6",
  title: "deployer killed at the N-th rename or fsync: before, between and after the swaps",
  quick: true,
  async run(world, { quick }) {
    const injections: Injection[] = [];
    let torn = 0;
    for (const { site, call, when } of CALLS.filter((each) => !quick || each.quick)) {
      const { certificate, pair } = siteAt(world, site);
      const before = (await world.generations()).get(certificate) ?? 0;
      await onlyDeployer(world, [...TRACE, "-e", `trace=${call}`, "-e", `inject=${call}:signal=SIGKILL:when=${when}`]);
      const victim = world.fleet.slots("deployer")[0]?.process;
      await world.force([certificate]);
      await Promise.race([
        victim?.exited,
        until(
          "a deployer to die",
          async () => ((await verified(world, certificate, before)) ? true : null),
          HANDOVER_MS,
        ),
      ]);
      const at = Date.now();
      torn += await storedFingerprint(pair.fullchain, pair.privkey).then(
        () => 0,
        () => 1,
      );
      world.fleet.start("deployer-2");
      const done = await world.converged(new Map([[certificate, before + 1]]));
      injections.push({ at, convergedAt: done.get(certificate) ?? 0 });
    }
    await world.fleet.allReady();
    return {
      injections,
      notes:
        torn === 0
          ? []
          : [`pairs in two files that did not match until the deployment was taken over: ${torn} (bundles never)`],
    };
  },
};

async function verified({ system }: World, certificate: string, before: number): Promise<boolean> {
  const latest = await system.store.versions.latest(certificate);
  return latest !== null && latest.generation > before && latest.verifiedAt !== null;
}

interface Refusal {
  readonly title: string;
  readonly wrapper: (world: World) => readonly string[];
}

const REFUSALS: readonly Refusal[] = [
  {
    title: "ENOSPC at rename",
    wrapper: () => [...TRACE, "--seccomp-bpf", "-e", "trace=rename", "-e", "inject=rename:error=ENOSPC"],
  },
  {
    title: "EIO at fsync of the directories",
    // Of these only: SQLite needs fsync as well, and a worker that cannot write to its database records nothing.
    wrapper: ({ system, haproxy }) => [
      ...[...TRACE, "--seccomp-bpf", "-P", haproxy.directory, "-P", join(system.home, "files")],
      ...["-e", "trace=fsync", "-e", "inject=fsync:error=EIO"],
    ],
  },
  {
    title: "a full tmpfs where the plain files go",
    wrapper: ({ system }) => [
      "unshare",
      ...(process.getuid?.() === 0 ? [] : ["-r"]),
      "-m",
      "sh",
      "-c",
      'mount -t tmpfs -o size=8k tmpfs "$0" && exec "$@"',
      join(system.home, "files"),
    ],
  },
];

const refusedByDisk: Drill = {
  name: "disk",
  faults: "19",
  title: `the disk refuses the deployer: ${REFUSALS.map(({ title }) => title).join("; ")}`,
  quick: false,
  async run(world) {
    const injections: Injection[] = [];
    const [notes, problems]: [string[], string[]] = [[], []];
    const { certificate, port, sni } = siteAt(world, 0);
    for (const { title, wrapper } of REFUSALS) {
      const before = (await world.generations()).get(certificate) ?? 0;
      const old = await servedFingerprint(port, sni);
      await onlyDeployer(world, wrapper(world));
      const afterSeq = await world.lastSeq();
      await world.force([certificate]);
      const failed = await world.event("deploy.failed", certificate, afterSeq);
      const at = failed.at;
      notes.push(`${title}: ${failed.detail.code}: ${failed.detail.message}`);
      if (failed.detail.code !== "deploy.io") problems.push(`${title} was told as ${failed.detail.code}`);
      const latest = await world.system.store.versions.latest(certificate);
      const served = await servedFingerprint(port, sni);
      if (served !== old && served !== latest?.leaf.fingerprint)
        problems.push(`${title}: neither the old nor the new pair was served`);
      await relieve(world);
      const done = await world.converged(new Map([[certificate, before + 1]]));
      injections.push({ at, convergedAt: done.get(certificate) ?? 0 });
    }
    return { injections, notes, problems };
  },
};

const failedStatement: Drill = {
  name: "statement",
  faults: "18",
  title: "the statement that stores the version fails: the same order is downloaded again",
  quick: false,
  async run(world) {
    const { certificate } = siteAt(world, 1);
    const before = (await world.generations()).get(certificate) ?? 0;
    const afterSeq = await world.lastSeq();
    using database = openDatabase(world);
    database.run(
      `create trigger drill before insert on versions when new.certificate = '${certificate}' begin select raise(abort, 'drill'); end`,
    );
    await world.force([certificate]);
    await until("the failed statement to be told in a log", async () =>
      world.fleet.logs().some((line) => line.includes("job failed") && line.includes("drill")) ? true : null,
    );
    const at = Date.now();
    database.run("drop trigger drill");
    const done = await world.converged(new Map([[certificate, before + 1]]));
    const resumed = await world.system.store.events.list({
      certificate,
      types: ["order.resumed"],
      afterSeq,
      limit: 10,
    });
    const problems = resumed.some(({ detail }) => detail.status === "valid")
      ? []
      : ["the finalized order was not resumed"];
    return { injections: [{ at, convergedAt: done.get(certificate) ?? 0 }], problems };
  },
};

function openDatabase({ system }: World): Disposable & { run(statement: string): void } {
  const database = new DatabaseSync(join(system.dataDir, "renewd.db"), { timeout: 5_000 });
  return { run: (statement) => database.exec(statement), [Symbol.dispose]: () => database.close() };
}

export const DISK_DRILLS: readonly Drill[] = [killAtSyscall, refusedByDisk, failedStatement];
