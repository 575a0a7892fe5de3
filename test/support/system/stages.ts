import type { HistoryEvent } from "../../../src/domain/event.ts";
import type { Renewal, RenewalState } from "../../../src/domain/renewal.ts";
import type { Version } from "../../../src/domain/version.ts";
import { createRoot } from "../ca/pki.ts";
import { type Edge, nameOf, startEdge } from "../servers/edge.ts";
import type { ServedPair } from "../servers/tlsServer.ts";
import { until } from "../until.ts";
import { runCaptured } from "./installation.ts";
import type { CommandResult } from "./renewd.ts";
import { type Section, type System, type SystemOptions, startSystem } from "./system.ts";

/** Edges as targets of a whole system, and what a test about their certificates asks again and again. */
export interface Stages extends AsyncDisposable {
  readonly system: System;
  edge(name: string): Edge;
  /** `renewd …args` with the system's configuration, in this process. */
  run(...args: string[]): Promise<CommandResult>;
  /** `renewd renew --force`; its renewal's id. */
  force(certificate: string): Promise<string>;
  ended(renewalId: string): Promise<Renewal>;
  /** The latest renewal, once it is in this state. */
  reaches(certificate: string, state: RenewalState, timeoutMs?: number): Promise<Renewal>;
  /** The latest renewal, once it is none of those given and has ended or is held. */
  after(certificate: string, renewal: Pick<Renewal, "id">, timeoutMs?: number): Promise<Renewal>;
  version(certificate: string, generation: number): Promise<Version>;
  events(certificate: string, ...types: HistoryEvent["type"][]): Promise<HistoryEvent[]>;
  /** What `renewd status --json` says of a certificate; undefined: nothing is wrong with it. */
  trouble(certificate: string): Promise<Trouble | undefined>;
  /** Writes the configuration anew and has every worker that runs take it up. */
  reconfigure(parts: Parameters<System["configure"]>[0]): Promise<void>;
}

export interface Trouble {
  readonly needsPerson: boolean;
  readonly problems: readonly { readonly kind: string; readonly what: string }[];
  readonly errors: readonly { readonly where: string; readonly code: string; readonly message: string }[];
  readonly actions: readonly string[];
}

export interface StagesOptions extends Partial<Omit<SystemOptions, "targets" | "certificates">> {
  readonly edges: readonly string[];
  readonly certificates: (edge: (name: string) => Edge) => Section;
}

/** Quick enough that a test sees a target given up, slow enough that a failed renewal is seen before the next. */
const SECTIONS = { retry: { deployAttempts: 2, backoff: ["300ms", "5s"] }, observation: { every: "1s" } };

export async function startStages({
  edges: names,
  certificates,
  sections,
  ...options
}: StagesOptions): Promise<Stages> {
  await using starting = new AsyncDisposableStack();
  const edges = new Map<string, Edge>();
  for (const name of names) edges.set(name, starting.use(await startEdge(name)));
  const edge = (name: string): Edge => edges.get(name) ?? raise(`the test has no edge ${name}`);
  const targets = Object.fromEntries([...edges.values()].map(({ name, target }) => [name, target]));
  const system = starting.use(
    await startSystem({
      ...options,
      targets,
      certificates: certificates(edge),
      sections: { ...SECTIONS, ...sections },
    }),
  );
  const stack = starting.move();
  const { store } = system;
  const run: Stages["run"] = (...args) => runCaptured(["-c", system.configFile, ...args]);
  const latest = async (certificate: string): Promise<Renewal | null> =>
    (await store.renewals.list({ certificate, limit: 1 }))[0] ?? null;
  const ended: Stages["ended"] = (renewalId) =>
    until(
      `the end of renewal ${renewalId}`,
      async () => {
        const renewal = await store.renewals.get(renewalId);
        return renewal !== null && renewal.finishedAt !== null ? renewal : null;
      },
      100_000,
    );
  return {
    system,
    edge,
    run,
    async force(certificate) {
      for (;;) {
        const { code, stdout, stderr } = await run("renew", certificate, "--force", "--json");
        if (code !== 0) throw new Error(`renewd renew ended with ${code}: ${stderr}`);
        const report: { readonly renewals: readonly [{ readonly renewalId: string }] } = JSON.parse(stdout);
        const { renewalId } = report.renewals[0];
        // One that is under way is answered as it is: where drift was found just before, it issues nothing.
        if ((await store.renewals.get(renewalId))?.reason !== "drift") return renewalId;
        await ended(renewalId);
      }
    },
    ended,
    reaches: (certificate, state, timeoutMs = 100_000) =>
      until(
        `a renewal of ${certificate} that is ${state}`,
        async () => {
          const renewal = await latest(certificate);
          return renewal?.state === state ? renewal : null;
        },
        timeoutMs,
      ),
    after: (certificate, { id }, timeoutMs = 100_000) =>
      until(
        `the end of another renewal of ${certificate}`,
        async () => {
          const renewal = await latest(certificate);
          return renewal !== null && renewal.id !== id && (renewal.finishedAt !== null || renewal.state === "held")
            ? renewal
            : null;
        },
        timeoutMs,
      ),
    version: async (certificate, generation) =>
      (await store.versions.get(certificate, generation)) ?? raise(`${certificate} has no generation ${generation}`),
    events: (certificate, ...types) => store.events.list({ certificate, types, limit: 1_000 }),
    async trouble(certificate) {
      const report: { readonly problems: readonly (Trouble & { readonly certificate: string })[] } = JSON.parse(
        (await run("status", "--json")).stdout,
      );
      return report.problems.find((each) => each.certificate === certificate);
    },
    async reconfigure(parts) {
      await system.configure(parts);
      const running = system.running().filter(({ ended }) => !ended());
      const reloaded = running.map((worker) => worker.loggedAgain("configuration reloaded"));
      for (const worker of running) worker.kill("SIGHUP");
      await Promise.all(reloaded);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** A certificate in waves of these edges, each with its endpoint. */
export function staged(
  edge: (name: string) => Edge,
  certificate: string,
  waves: readonly Section[],
  more: Section = {},
): Section {
  const names = waves.flatMap(({ targets }) => (Array.isArray(targets) ? targets.map(String) : []));
  return {
    names: [nameOf(certificate)],
    waves,
    endpoints: names.map((name) => edge(name).endpoint(certificate)),
    verifyTimeout: "2s",
    ...more,
  };
}

/** A pair of somebody else for a certificate's name. */
export async function foreignPair(certificate: string): Promise<ServedPair> {
  return (await createRoot()).issue({ names: [nameOf(certificate)] });
}

function raise(message: string): never {
  throw new Error(message);
}
