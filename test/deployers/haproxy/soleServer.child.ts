// Run in a process namespace of its own, where all processes may be looked into, by soleServer.full.test.ts. Prints one
// line of JSON: what renewd takes a real HAProxy (and a Caddy) for, alone and with others before and beside it.
import { once } from "node:events";
import { connect } from "node:tls";
import { systemClock } from "../../../src/compose/clock.ts";
import { caddy } from "../../../src/deployers/caddy/caddy.ts";
import { haproxy } from "../../../src/deployers/haproxy/haproxy.ts";
import type { IssuedCertificate, Version } from "../../../src/domain/version.ts";
import { createNeighbours } from "../../../src/process/soleServer.ts";
import { noEvidence } from "../../../src/renewal/rules/proof.ts";
import { DEFAULT_SETTINGS } from "../../../src/renewal/rules/settings.ts";
import { gatherEvidence } from "../../../src/renewal/steps/gatherEvidence.ts";
import { createProbe } from "../../../src/tls/probe.ts";
import { startTcpProxy } from "../../drills/tcpProxy.ts";
import { freePort } from "../../support/freePort.ts";
import { version } from "../../support/model/facts.ts";
import { createPairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { startCaddy } from "../../support/servers/caddy.ts";
import { startHaproxy } from "../../support/servers/haproxy.ts";
import { until } from "../../support/until.ts";

const SIGNAL = AbortSignal.timeout(60_000);
const NOBODY = 65_534;
const [ADDRESS, SNI] = ["127.0.0.1", "www.test"];

await using stack = new AsyncDisposableStack();
const lb = stack.use(await startHaproxy());
const issuer = await createPairIssuer();
const deployer = haproxy.create(
  haproxy.options.parse({ socket: lb.socket, file: `${lb.directory}/{certificate}.pem` }),
  dependencies("lb"),
);
const probe = createProbe({ timeoutMs: 10_000, now: Date.now });
const neighbours = createNeighbours();
const issue = (generation: number) => issuer.issue({ certificate: "www", generation });
const asVersion = (pair: IssuedCertificate): Version =>
  version({ ...pair, keyType: pair.leaf.keyType ?? "ecdsa-p256" });
const deployed = async (generation: number): Promise<Version> => {
  const pair = await issue(generation);
  await deployer.deploy({ pair, previous: null }, SIGNAL);
  return asVersion(pair);
};
const serverOf = async ({ leafPem }: Version): Promise<number | null> =>
  (await deployer.server?.({ certificate: "www", leafPem }, SIGNAL)) ?? null;
const isSole = async (pid: number | null, port = lb.port): Promise<boolean | undefined> =>
  await neighbours.isSoleServer(pid ?? 0, { address: ADDRESS, port });
const gather = async (made: Version, port: number, server = () => serverOf(made)) => {
  const startedAt = performance.now();
  const { proved, evidence } = await gatherEvidence(
    { clock: systemClock, probe },
    {
      endpoint: { host: ADDRESS, port, sni: SNI, target: "lb" },
      ...{ address: ADDRESS, version: made, terms: { ...DEFAULT_SETTINGS.proof, spreadMs: 1_000 } },
      ...{ evidence: noEvidence(made.generation), connectionsMin: 1, pause: { firstMs: 100, maxMs: 100 } },
      ...{ nameOf: async () => "another", mayProve: () => true, stop: ({ lastGroupGood }) => !lastGroupGood },
      server,
    },
    SIGNAL,
  );
  return {
    proved,
    good: evidence.good,
    server: evidence.server ?? null,
    attested: evidence.attested,
    tookMs: performance.now() - startedAt,
  };
};

const first = await deployed(1);
const pid = await serverOf(first);
const alone = await gather(first, lb.port);
const soonAfter = await gather(first, lb.port);
const another = await serverOf(asVersion(await issue(2)));

const balancer = stack.use(await startTcpProxy(lb.port));
const balanced = await gather(first, balancer.port);

// Every 8th connection goes on to a server that does not have the pair.
const stale = stack.use(await startHaproxy());
const [ending, passing] = [await freePort(), await freePort()];
const front = stack.use(
  await startHaproxy({
    port: ending,
    sections:
      `frontend through\n  mode tcp\n  bind 127.0.0.1:${passing}\n  default_backend both\n` +
      "backend both\n  mode tcp\n  balance static-rr\n" +
      `  server own 127.0.0.1:${ending} weight 7\n  server other 127.0.0.1:${stale.port} weight 1\n`,
  }),
);
const fronted = haproxy.create(
  haproxy.options.parse({ socket: front.socket, file: `${front.directory}/{certificate}.pem` }),
  dependencies("front"),
);
const [sixth, seventh] = [await issue(6), await issue(7)];
for (const pair of [sixth, seventh]) await fronted.deploy({ pair, previous: null }, SIGNAL);
const frontedServer = async (): Promise<number | null> =>
  (await fronted.server?.({ certificate: "www", leafPem: seventh.leafPem }, SIGNAL)) ?? null;
const passedOn = [];
for (let times = 0; times < 6; times += 1) passedOn.push(await gather(asVersion(seventh), passing, frontedServer));

const sibling = await startHaproxy({ port: lb.port });
const besideSibling = await isSole(pid);
await sibling.stop();
const afterSibling = await isSole(pid);

// A client that stays keeps the old worker.
const client = connect({ host: ADDRESS, port: lb.port, servername: SNI, rejectUnauthorized: false });
await once(client, "secureConnect");
await lb.reload();
const second = await deployed(3);
const next = await serverOf(second);
const besideDraining = await isSole(next);
client.destroy();
const afterDraining = await until("the old worker to end", async () => ((await isSole(next)) === true ? true : null));

const fourth = await issue(4);
const edge = stack.use(
  await startCaddy({ certificates: { www: { certPem: fourth.leafPem, keyPem: fourth.privateKey.reveal() } } }),
);
const caddyDeployer = caddy.create(
  caddy.options.parse({ admin: edge.admin, file: `${edge.directory}/{certificate}.pem` }),
  dependencies("edge"),
);
const fifth = await issue(5);
await caddyDeployer.deploy({ pair: fifth, previous: null }, SIGNAL);
const caddyServer = async (): Promise<number | null> =>
  (await caddyDeployer.server?.({ certificate: "www", leafPem: fifth.leafPem }, SIGNAL)) ?? null;
const inCaddy = await gather(asVersion(fifth), edge.port, caddyServer);

const elsewhere = await neighbours.isSoleServer(next ?? 0, { address: "192.0.2.1", port: lb.port });
process.setgroups?.([NOBODY]);
process.setegid?.(NOBODY);
process.seteuid?.(NOBODY);
const unprivileged = { server: await serverOf(second).catch(() => null), isSole: await isSole(next) };
process.seteuid?.(0);
process.setegid?.(0);

console.log(
  JSON.stringify({
    ...{ pid, alone, soonAfter, another, balanced, besideSibling, afterSibling, next, besideDraining, afterDraining },
    ...{ inCaddy, elsewhere, unprivileged, passedOn },
  }),
);
