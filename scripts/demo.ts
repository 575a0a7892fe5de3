/**
 * The main job for real, on loopback: a Pebble CA, an HAProxy, two nginx and an ACM contract fake with an estate of
 * eight certificates, one a wildcard by dns-01 through renewd's own name server, renewed by `renewd run` as its users
 * start it. Exit code 0 only if everything that should succeed was proved live, and what should fail or be left alone
 * did so. `--keep` leaves it running.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openContext, readForeignPair, signInLink } from "../src/compose/index.ts";
import type { Observation } from "../src/domain/endpoint.ts";
import { isActive, type Renewal } from "../src/domain/renewal.ts";
import { formatDuration } from "../src/domain/time.ts";
import { createLog } from "../src/log.ts";
import type { Context } from "../src/renewal/context.ts";
import { importPair } from "../src/renewal/operator/importPair.ts";
import { configure } from "../src/renewal/plan/configure.ts";
import { startRenewd } from "../test/support/system/renewd.ts";
import { type DemoName, demoConfig, EXPECTED, NAMES } from "./demo/config.ts";
import { type Peers, startPeers } from "./demo/peers.ts";
import { Progress, table } from "./demo/progress.ts";

/** From the start of `renewd run` to the last outcome. */
const TIME_LIMIT_MS = 60_000;
const POLL_MS = 100;
/** The fake checks that requests are signed, not by whom. */
const AWS_CREDENTIALS = { AWS_ACCESS_KEY_ID: "demo", AWS_SECRET_ACCESS_KEY: "demo" };

const keep = process.argv.includes("--keep");
const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => interrupted.abort(new Error(`stopped by ${signal}`)));

process.exitCode = await main().catch((thrown: unknown) => {
  console.error(interrupted.signal.aborted ? "\nInterrupted; everything the demo started is stopped." : thrown);
  return 1;
});

async function main(): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), "renewd-demo-"));
  stack.defer(() => rm(home, { recursive: true, force: true }));
  console.log("Starting a Pebble CA, HAProxy, two nginx and an ACM contract fake on loopback …");
  const peers = stack.use(await startPeers());
  const configFile = await writeConfig(home, peers);
  const app = stack.use(await openContext(configFile, { log: createLog({ level: "warn", pretty: false }) }));
  await takeOver(app.context, peers);
  const before = await shakeHands(app.context);

  console.log(`An estate of ${NAMES.length} certificates, each dialled once. renewd run:\n`);
  const startedAt = performance.now();
  const renewd = stack.use(startRenewd(["run", "--yes", "--config", configFile], AWS_CREDENTIALS));
  const ended = await Promise.race([watch(app.context), renewd.exited.then((code) => died(code, renewd.log))]);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);

  const after = await shakeHands(app.context);
  const { rows, wrong } = report(before, after, ended);
  const leftInDns = await app.context.store.dns.records.list(10);
  console.log(`\n${table(rows)}\n`);
  const faults = [...wrong, ...leftInDns.map(({ name }) => `a TXT record is left at ${name}`)];
  console.log(
    faults.length === 0
      ? `As it should be, ${seconds} s after \`renewd run\` was started.`
      : `NOT as it should be: ${faults.join(", ")}`,
  );
  if (keep) await keepRunning(configFile, await signInLink(app, "demo"));
  return faults.length === 0 ? 0 : 1;
}

async function writeConfig(home: string, peers: Peers): Promise<string> {
  const trustFile = join(home, "pebble-tls-ca.pem");
  const configFile = join(home, "renewd.yaml");
  await mkdir(join(home, "data"), { mode: 0o700 });
  await writeFile(trustFile, peers.pebble.trustPem);
  await writeFile(configFile, demoConfig(peers, trustFile, join(home, "data")));
  return configFile;
}

/** As `renewd import --force` does for pairs that other tooling issued and installed. */
async function takeOver(context: Context, peers: Peers): Promise<void> {
  await configure(context, new AbortController().signal);
  for (const [name, { certPem, keyPem }] of Object.entries(peers.estate.pairs)) {
    const certificate = context.services.certificate(name);
    if (certificate === null) throw new Error(`the demo's configuration lacks ${name}`);
    // One has expired and one is for other names, as the tooling left them.
    await importPair(context, certificate, await readForeignPair(certPem, keyPem), { force: true });
  }
}

/** The demo's own handshakes: what the endpoints serve, whatever renewd says. */
async function shakeHands({ services: estate, probe }: Context): Promise<Map<string, Observation>> {
  const seen = new Map<string, Observation>();
  for (const { name, endpoints } of estate.certificates()) {
    const [endpoint] = endpoints;
    if (endpoint) seen.set(name, await probe.observe(endpoint, endpoint.host, null, interrupted.signal));
  }
  return seen;
}

/** Shows progress until every certificate that should be renewed has a renewal that ended, or time is up. */
async function watch({ store, clock }: Context): Promise<Map<string, Renewal>> {
  const progress = new Progress(NAMES, process.stdout.isTTY === true);
  const deadline = clock.monotonic() + TIME_LIMIT_MS;
  let afterSeq = 0;
  for (;;) {
    const renewals = await store.renewals.list({ limit: 100 });
    const events = await store.events.list({ afterSeq, limit: 500 });
    for (const event of events) {
      afterSeq = event.seq;
      progress.show(event);
    }
    // Oldest last: the first effort for each certificate is the one the demo is about.
    const first = new Map(renewals.map((renewal) => [renewal.certificate, renewal]));
    const waiting = NAMES.filter(
      (name) => EXPECTED[name] !== "left alone" && isActive(first.get(name)?.state ?? "planned"),
    );
    if (waiting.length === 0 && events.length === 0) return first;
    if (clock.monotonic() > deadline) {
      console.error(`\nNot finished after ${TIME_LIMIT_MS / 1000} s: ${waiting.join(", ")}`);
      return first;
    }
    await clock.sleep(POLL_MS, interrupted.signal);
  }
}

function died(code: number | null, log: readonly string[]): never {
  throw new Error(`renewd run ended by itself (exit code ${code}):\n${log.slice(-20).join("\n")}`);
}

interface Report {
  readonly rows: readonly (readonly string[])[];
  readonly wrong: readonly DemoName[];
}

function report(
  before: ReadonlyMap<string, Observation>,
  after: ReadonlyMap<string, Observation>,
  ended: ReadonlyMap<string, Renewal>,
): Report {
  const wrong: DemoName[] = [];
  const rows = NAMES.map((name) => {
    const renewal = ended.get(name);
    const [old, now] = [before.get(name)?.served?.serial, after.get(name)?.served?.serial];
    const outcome = renewal?.state ?? "left alone";
    const changed = old !== now && now !== undefined;
    // The expectation is checked against our own handshake: new where it should be new, untouched elsewhere.
    if (outcome !== EXPECTED[name] || changed !== (EXPECTED[name] === "succeeded")) wrong.push(name);
    const proved =
      renewal?.state === "succeeded" && renewal.finishedAt !== null
        ? formatDuration(renewal.finishedAt - renewal.createdAt)
        : "–";
    const told = renewal?.errorMessage ? `${outcome}: ${renewal.errorCode}` : outcome;
    return [
      name,
      renewal ? `${renewal.reason}: ${renewal.reasonDetail}` : "–",
      `${short(old)} → ${short(now)}`,
      proved,
      told,
    ];
  });
  return {
    rows: [["certificate", "reason", "serial before → after (handshake)", "detected → proved", "outcome"], ...rows],
    wrong,
  };
}

function short(serial: string | undefined): string {
  return serial === undefined ? "none" : serial.length > 12 ? `${serial.slice(0, 12)}…` : serial;
}

async function keepRunning(configFile: string, link: string): Promise<void> {
  const renewd = `npm run -s renewd -- --config ${configFile}`;
  console.log(`
Its pages, in a browser (the link works once, within five minutes; \`renewd open\` makes another):

  ${link}

It keeps running until Ctrl-C. In another terminal, from this directory, try:

  ${renewd} open
  ${renewd} status
  ${renewd} history
  ${renewd} show <the id of a renewal>
  ${renewd} plan
  ${renewd} renew healthy --force --wait
`);
  const { promise, resolve } = Promise.withResolvers<void>();
  if (interrupted.signal.aborted) return;
  interrupted.signal.addEventListener("abort", () => resolve());
  await promise;
}
