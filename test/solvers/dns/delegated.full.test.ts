// renewd's name server as the Internet meets it: BIND delegates a zone to two processes and resolves for Pebble.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pLimit from "p-limit";
import { expect, it } from "vitest";
import { createIssuer } from "../../../src/acme/issuer.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { delegatedName, dnsServer } from "../../../src/solvers/dns/server/kind.ts";
import { dnsSolver } from "../../../src/solvers/dns/solver.ts";
import { openStore, openVault } from "../../../src/store/index.ts";
import { issuerOptions, request } from "../../acme/caFixture.ts";
import { startPebble } from "../../support/ca/pebble.ts";
import { named } from "../../support/dns/dependencies.ts";
import { memoryAccounts, memoryProgress } from "../../support/model/orderMemory.ts";
import { startBind } from "../../support/servers/nameServers.ts";

const PARENT = "delegated.example";
const ZONE = `acme.${PARENT}`;
/** Resolvers dial port 53: each process has an address of its own. */
const HOSTS = ["127.0.53.1", "127.0.53.2"] as const;
/** A hundred, with two whole processes of renewd: the drill `kill-name-server`. */
const ORDERS = 20;
/** Pebble stops for ever with more than four requests in flight. */
const AT_ONCE = 3;
const NAMES = Array.from({ length: ORDERS }, (_, index) => `w${index}.${PARENT}`);

it("all wildcards are issued while one of two name servers is killed in mid-validation", {
  timeout: 300_000,
}, async () => {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "renewd-delegated-"));
  stack.defer(() => rm(directory, { recursive: true }));
  const [file, masterKeyFile] = [join(directory, "store.db"), join(directory, "master.key")];
  const store = await openStore({ kind: "sqlite", file }, await openVault({ file: masterKeyFile }), "test");
  stack.defer(() => store.close());
  const nameServers = HOSTS.map((host, index) => ({ name: `ns${index}.${ZONE}`, addresses: [host] }));
  const [first, second] = await Promise.all(
    HOSTS.map((host) => startChild({ file, masterKeyFile, host, zone: ZONE, nameServers })),
  );
  stack.defer(() => void [first, second].map((child) => child?.kill("SIGKILL")));
  const bind = stack.use(
    await startBind({
      zone: PARENT,
      recursion: true,
      records: [
        ...HOSTS.flatMap((host, index) => [`acme NS ns${index}.acme`, `ns${index}.acme A ${host}`]),
        ...NAMES.map((name) => `_acme-challenge.${name}. CNAME ${delegatedName(name, ZONE)}.`),
      ],
    }),
  );
  const resolver = `127.0.0.1:${bind.port}`;
  const pebble = stack.use(await startPebble({ dnsServer: resolver, env: { PEBBLE_AUTHZREUSE: "0" } }));
  const plugin = dnsSolver(dnsServer);
  const options = plugin.options.parse({
    domains: [ZONE],
    nameServers: Object.fromEntries(nameServers.map(({ name, addresses }) => [name, addresses])),
    resolvers: [resolver],
  });
  const secret = async (): Promise<Secret> => new Secret("none is needed");
  const solver = plugin.create(options, { solver: "own", dns: store.dns, secret, now: Date.now });
  const issuer = createIssuer(issuerOptions(pebble), { accounts: memoryAccounts(), now: Date.now });
  let issued = 0;
  const order = async (name: string): Promise<void> => {
    const progress = memoryProgress();
    for (;;) {
      try {
        const wanted = request([`*.${name}`, name]);
        await issuer.issue(wanted, progress, [named(solver)], AbortSignal.timeout(120_000));
        issued += 1;
        // In mid-validation of the others.
        if (issued === ORDERS / 4) first?.kill("SIGKILL");
        return;
      } catch (error) {
        // The engine gives the worker back while a value is not everywhere yet.
        if (!(error instanceof RenewalError) || error.code !== "challenge.waiting") throw error;
        await delay(Math.max(0, (error.retryAt ?? 0) - Date.now()));
      }
    }
  };
  const limit = pLimit(AT_ONCE);
  await Promise.all(NAMES.map((name) => limit(() => order(name))));
  expect(issued).toBe(ORDERS);
  expect(first?.signalCode).toBe("SIGKILL");
  expect(await store.dns.records.list(10), "nothing is left").toEqual([]);
});

async function startChild(argument: object): Promise<ChildProcess> {
  const program = join(import.meta.dirname, "nameServer.child.ts");
  const child = spawn(process.execPath, [program, JSON.stringify(argument)], { stdio: ["ignore", "pipe", "inherit"] });
  const { stdout } = child;
  if (stdout === null) throw new TypeError("spawn made no pipe");
  const [said] = await Promise.race([once(stdout, "data"), once(child, "exit")]);
  expect(String(said)).toContain("ready");
  return child;
}
