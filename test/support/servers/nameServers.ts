// Real authoritative name servers on loopback, with a TSIG key that may change TXT records. They need no root.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Secret } from "../../../src/domain/secret.ts";
import { ask, exchangeTcp } from "../../../src/solvers/dns/client.ts";
import { txtValues } from "../../../src/solvers/dns/propagation.ts";
import { sign } from "../../../src/solvers/dns/providers/tsig.ts";
import { encodeTxtUpdate } from "../../../src/solvers/dns/providers/updateMessage.ts";
import { until } from "../until.ts";
import { onFreePort } from "./serverProcess.ts";
import { signZone } from "./signedZone.ts";

export interface TsigServer extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
  readonly keyName: string;
  /** In base64. */
  readonly secret: string;
  /** Of the secret. */
  readonly secretFile: string;
  txt(name: string): Promise<string[]>;
  /** As another client with the same key does. */
  add(name: string, value: string): Promise<void>;
  output(): string;
  /** With `signatures`: the zone's key as a trust anchor. */
  readonly anchor: string | null;
}

export interface ZoneOptions {
  /** BIND: the only name at which the key may change TXT records. Default: all of the zone. */
  readonly mayChange?: string;
  /** BIND: who may take the whole zone (AXFR). Default: who has the key. */
  readonly transfer?: "any";
  readonly zone: string;
  /** Lines of the zone file after SOA and NS. */
  readonly records?: readonly string[];
  /** Its name servers, as addresses on the same port; default: itself. */
  readonly addresses?: readonly string[];
  readonly address?: string;
  readonly port?: number;
  /** BIND: also a resolver, which follows the zone's own delegations. */
  readonly recursion?: boolean;
  /** BIND: how long it looks for an answer. Default: 10 s. */
  readonly resolveMaxMs?: number;
  /** BIND: further zones, with lines after SOA and NS. */
  readonly zones?: Readonly<Record<string, readonly string[]>>;
  /** BIND: also by HTTPS (RFC 8484) at `/dns-query`, with this pair. */
  readonly https?: { readonly port: number; readonly certificate: string; readonly key: string };
  /** BIND: a zone that was signed once, with signatures that are over already or not. */
  readonly signatures?: "sound" | "expired";
  /** BIND, with `recursion`: asks these servers for these zones, and checks their signatures. */
  readonly validates?: readonly { readonly zone: string; readonly anchor: string | null; readonly port: number }[];
  /** The server signs the zone itself; Knot: with signatures that last this long. */
  readonly signed?: { readonly lifetime: string };
}

const READY_MS = 20_000;
const ADD_MS = 5_000;
const KEY_NAME = "renewd-key";

export function startBind(options: ZoneOptions): Promise<TsigServer> {
  return options.port === undefined
    ? onFreePort((port) => bind({ ...options, port }))
    : bind({ ...options, port: options.port });
}

export function startKnot(options: ZoneOptions): Promise<TsigServer> {
  return options.port === undefined
    ? onFreePort((port) => knot({ ...options, port }))
    : knot({ ...options, port: options.port });
}

type Placed = ZoneOptions & { readonly port: number };

async function bind(placed: Placed): Promise<TsigServer> {
  const {
    address = "127.0.0.1",
    port,
    zone,
    recursion = false,
    resolveMaxMs,
    transfer,
    mayChange,
    signed,
    zones = {},
    https,
    signatures,
    validates = [],
    ...rest
  } = placed;
  const home = await mkdtemp(join(tmpdir(), "renewd-bind-"));
  const secret = randomBytes(32).toString("base64");
  await writeFile(join(home, "zone"), zoneFile({ zone, address, ...rest }));
  const anchor = signatures === undefined ? null : await signZone(home, zone, signatures);
  const forwarded = validates.map(
    (each) => `zone "${each.zone}" { type forward; forward only; forwarders { 127.0.0.1 port ${each.port}; }; };
trust-anchors { "${each.zone}" ${each.anchor}; };`,
  );
  const others = Object.entries(zones);
  for (const [i, [name, records]] of others.entries())
    await writeFile(join(home, `zone${i}`), zoneFile({ zone: name, address, records }));
  const doh = https && {
    blocks: `tls pair { cert-file "${https.certificate}"; key-file "${https.key}"; };
http doh { endpoints { "/dns-query"; }; };`,
    listen: `listen-on port ${https.port} tls pair http doh { ${address}; };`,
  };
  const patience = resolveMaxMs === undefined ? "" : `resolver-query-timeout ${resolveMaxMs};`;
  const configuration = `
${doh?.blocks ?? ""}
options {
  directory "${home}"; session-keyfile "${home}/session.key"; pid-file none; lock-file none;
  listen-on port ${port} { ${address}; }; listen-on-v6 { none; }; ${doh?.listen ?? ""}
  recursion ${recursion ? "yes; allow-recursion { any; }; allow-query-cache { any; }" : "no"}; ${patience} dnssec-validation ${validates.length > 0 ? "yes" : "no"}; notify no; allow-query { any; };
};
controls { };
key "${KEY_NAME}" { algorithm hmac-sha256; secret "${secret}"; };
zone "${zone}" { type primary; file "${anchor === null ? "zone" : "zone.signed"}"; ${signed ? "dnssec-policy default; inline-signing yes; " : ""}${transferText(transfer)} update-policy { grant ${KEY_NAME} ${mayChange === undefined ? "zonesub" : `name ${mayChange}`} TXT; }; };
${others.map(([name], i) => `zone "${name}" { type primary; file "zone${i}"; update-policy { grant ${KEY_NAME} zonesub TXT; }; };`).join("\n")}
${forwarded.join("\n")}
`;
  await writeFile(join(home, "named.conf"), configuration);
  const argv = ["named", "-g", "-n", "1", "-c", join(home, "named.conf")] as const;
  return { ...(await run(argv, { home, address, port, zone, secret })), anchor };
}

function transferText(transfer: ZoneOptions["transfer"]): string {
  return `allow-transfer { ${transfer ?? `key ${KEY_NAME}`}; };`;
}

async function knot({ address = "127.0.0.1", port, zone, signed, ...rest }: Placed): Promise<TsigServer> {
  const home = await mkdtemp(join(tmpdir(), "renewd-knot-"));
  const secret = randomBytes(32).toString("base64");
  await writeFile(join(home, `${zone}.zone`), zoneFile({ zone, address, ...rest }));
  const configuration = `
server:
    rundir: "${home}"
    listen: ${address}@${port}
database:
    storage: "${home}"
log:
  - target: stderr
    any: info
control:
    listen: "${home}/knot.sock"
key:
  - id: ${KEY_NAME}
    algorithm: hmac-sha256
    secret: ${secret}
acl:
  - id: update
    key: ${KEY_NAME}
    action: [update, transfer]
template:
  - id: default
    storage: "${home}"
${signed ? `policy:\n  - id: short\n    rrsig-lifetime: ${signed.lifetime}\n    rrsig-refresh: 2h\n    zone-max-ttl: 1` : ""}
zone:
  - domain: ${zone}
    acl: update
${signed ? "    dnssec-signing: on\n    dnssec-policy: short" : ""}
`;
  await writeFile(join(home, "knot.conf"), configuration);
  return run(["knotd", "-c", join(home, "knot.conf")], { home, address, port, zone, secret });
}

function zoneFile({ zone, address = "127.0.0.1", records = [], addresses = [address] }: ZoneOptions): string {
  const servers = addresses.flatMap((each, i) => [`@ NS ns${i + 1}`, `ns${i + 1} A ${each}`]);
  return [`$ORIGIN ${zone}.`, "$TTL 1", `@ SOA ns1 hostmaster 1 3600 600 86400 1`, ...servers, ...records, ""].join(
    "\n",
  );
}

interface Place {
  readonly home: string;
  readonly address: string;
  readonly port: number;
  readonly zone: string;
  readonly secret: string;
}

async function run(
  argv: readonly [string, ...string[]],
  { home, address, port, zone, secret }: Place,
): Promise<TsigServer> {
  const [program, ...args] = argv;
  await writeFile(join(home, "tsig.secret"), secret, { mode: 0o600 });
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      printed = (printed + chunk.toString()).slice(-8_192);
    });
  child.once("error", (error) => {
    printed += `${program}: ${error.message}; run scripts/bootstrap.sh test`;
  });
  const kill = (): boolean => child.kill("SIGKILL");
  process.once("exit", kill);
  const place = { kind: "dns", address, port } as const;
  const signal = new AbortController().signal;
  const stop = async (): Promise<void> => {
    process.off("exit", kill);
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    }
    await rm(home, { recursive: true, force: true });
  };
  try {
    await until(
      `${program} to answer`,
      async () => {
        if (child.exitCode !== null || child.pid === undefined) throw new Error(printed);
        const reply = await ask(place, { name: zone, type: "SOA" }, { recurse: false }, signal).catch(() => null);
        return reply?.rcode === "NOERROR" ? true : null;
      },
      READY_MS,
    );
  } catch (cause) {
    await stop();
    throw new Error(`${program} did not start: ${printed}`, { cause });
  }
  return {
    ...{ address, port, secret, keyName: KEY_NAME },
    secretFile: join(home, "tsig.secret"),
    async add(name, value) {
      const key = { name: KEY_NAME, algorithm: "hmac-sha256", secret: new Secret(secret) } as const;
      const { message } = sign(encodeTxtUpdate({ zone, name, value, ttlS: 1 }), key, Date.now());
      const answer = await exchangeTcp(place, message, ADD_MS, signal);
      if ((answer.readUInt16BE(2) & 0xf) !== 0) throw new Error(`${program} refused to add ${name}`);
    },
    txt: async (name) => txtValues((await ask(place, { name, type: "TXT" }, { recurse: false }, signal)).answers),
    output: () => printed,
    anchor: null,
    [Symbol.asyncDispose]: stop,
  };
}
