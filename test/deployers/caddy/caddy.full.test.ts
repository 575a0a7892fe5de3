import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { caddy } from "../../../src/deployers/caddy/caddy.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { KEY_SPELLINGS } from "../../support/pairs/keySpellings.ts";
import { plantFiles } from "../../support/pairs/plantFiles.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { type Caddy, startCaddy } from "../../support/servers/caddy.ts";
import { servedFingerprint, storedFingerprint } from "../../support/servers/served.ts";

const NEVER = new AbortController().signal;

function make(server: Pick<Caddy, "admin" | "directory">, more: Record<string, unknown> = {}): Deployer {
  const options = { admin: server.admin, file: `${server.directory}/{certificate}.pem`, timeout: "10s", ...more };
  return caddy.create(caddy.options.parse(options), dependencies("edge"));
}

async function start(
  issuer: PairIssuer,
  names: readonly string[],
  more: { tcp?: boolean; origins?: readonly string[] } = {},
): Promise<Caddy> {
  const issued = names.map(async (name) => {
    const pair = await issuer.issue({ certificate: name, generation: 0 });
    return [name, { certPem: pair.leafPem, keyPem: pair.privateKey.reveal() }] as const;
  });
  return await startCaddy({ certificates: Object.fromEntries(await Promise.all(issued)), ...more });
}

interface AdminRelay {
  readonly address: string;
  /** Answers every change; null: Caddy answers. */
  answer: string | null;
  stop(): void;
}

/** Stands before Caddy's admin API on its port: Caddy itself repeats less than others that speak its protocol might. */
async function startAdminRelay(admin: string): Promise<AdminRelay> {
  const [host, port] = admin.split(":");
  const relay = createServer((incoming, outgoing) => {
    if (state.answer !== null && incoming.method !== "GET") {
      incoming.resume().once("end", () => outgoing.writeHead(400).end(state.answer));
      return;
    }
    const headers = { ...incoming.headers, host: admin };
    const asked = httpRequest({ host, port, method: incoming.method, path: incoming.url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(outgoing);
    });
    asked.on("error", () => outgoing.destroy());
    incoming.pipe(asked);
  }).listen(0, "127.0.0.1");
  await once(relay, "listening");
  // Boundary: a TCP server has such an address.
  const { port: own } = relay.address() as AddressInfo;
  const state: AdminRelay = {
    address: `127.0.0.1:${own}`,
    answer: null,
    stop() {
      relay.closeAllConnections();
      relay.close();
    },
  };
  return state;
}

for (const tcp of [false, true]) {
  deployerConformance(`caddy (admin over ${tcp ? "TCP" : "a UNIX socket"})`, async (issuer) => {
    const server = await start(issuer, ["conform", "other"], { tcp });
    const other = join(server.directory, "other.pem");
    // Over the UNIX socket there is nothing in between.
    const relay = tcp ? await startAdminRelay(server.admin) : null;
    return {
      deployer: make(relay === null ? server : { admin: relay.address, directory: server.directory }),
      served: (certificate) => servedFingerprint(server.port, `${certificate}.test`),
      stored: (certificate) => storedFingerprint(join(server.directory, `${certificate}.pem`)),
      plant: (planted) => plantFiles(planted, join(server.directory, "conform.pem")),
      async breakDown() {
        // Caddy loads everything anew or nothing.
        const good = await readFile(other, "utf8");
        await writeFile(other, "nonsense");
        return { code: "deploy.commandFailed", mend: () => writeFile(other, good) };
      },
      ...(relay !== null && {
        repeats(text: string, inErrorText: boolean) {
          relay.answer = inErrorText ? JSON.stringify({ error: text }) : text;
          return () => {
            relay.answer = null;
          };
        },
      }),
      async [Symbol.asyncDispose]() {
        relay?.stop();
        await server.stop();
      },
    };
  });
}

describe("caddy", () => {
  let server: Caddy;
  let issuer: PairIssuer;
  beforeAll(async () => {
    issuer = await createPairIssuer();
    server = await start(issuer, ["www", "busy"]);
  });
  afterAll(() => server?.stop());

  const served = (certificate: string, at = server) => servedFingerprint(at.port, `${certificate}.test`);
  const stored = (certificate: string) => storedFingerprint(join(server.directory, `${certificate}.pem`));
  const deploy = async (certificate: string, generation: number, more: Record<string, unknown> = {}, at = server) => {
    const pair = await issuer.issue({ certificate, generation });
    await make(at, more).deploy({ pair, previous: null }, NEVER);
    return pair;
  };

  it("swaps under a continuous client without one wrong or failed handshake", async () => {
    const expected = new Set([(await deploy("busy", 1)).leaf.fingerprint]);
    let swapping = true;
    let handshakes = 0;
    const failures: unknown[] = [];
    const client = (async () => {
      for (; swapping; handshakes++) {
        const seen = await served("busy").catch((error: NodeJS.ErrnoException) => error);
        if (typeof seen !== "string" || !expected.has(seen)) failures.push(seen);
      }
    })();
    for (let generation = 2; generation <= 15; generation++) {
      const pair = await issuer.issue({ certificate: "busy", generation });
      expected.add(pair.leaf.fingerprint);
      await make(server).deploy({ pair, previous: null }, NEVER);
      // Every connection opened after the deploy sees the new pair.
      expect(await served("busy").catch(() => served("busy"))).toBe(pair.leaf.fingerprint);
    }
    swapping = false;
    await client;
    // A reload opens a second listening socket (SO_REUSEPORT) and closes the first: unless the kernel is told to move
    // them, connections still in the first one's queue are reset (Linux, ip-sysctl: tcp_migrate_req). Nobody but the
    // operator can help that.
    const migrates = (await readFile("/proc/sys/net/ipv4/tcp_migrate_req", "utf8").catch(() => "0")).trim() === "1";
    const excused = (failure: unknown): boolean =>
      !migrates && failure instanceof Error && "code" in failure && failure.code === "ECONNRESET";
    expect(failures.filter((failure) => !excused(failure))).toEqual([]);
    expect(handshakes - failures.length).toBeGreaterThan(14);
  });

  it("leaves a configuration that names the file unchanged, and a restart serves the new pair", async () => {
    const before = await server.config();
    const pair = await deploy("www", 1);
    expect(await server.config()).toEqual(before);
    await server.restart();
    expect(await served("www")).toBe(pair.leaf.fingerprint);
  });

  it("says what to do about a file no entry names, and serves it once that is done", async () => {
    const deployer = make(server);
    const pair = await issuer.issue({ certificate: "stranger", generation: 1 });
    const path = join(server.directory, "stranger.pem");
    await expect(deployer.deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining(`\`tls ${path} ${path}\``),
    });
    expect(await stored("stranger")).toBe(pair.leaf.fingerprint);
    await make(server, { addEntry: true }).deploy({ pair, previous: null }, NEVER);
    expect(await served("stranger")).toBe(pair.leaf.fingerprint);
  });

  it.each([
    ["beside others", ["first"]],
    ["where no certificate is configured at all", []],
  ])("adds an entry of its own once, %s, and leaves the rest of the configuration as it was", async (_where, names) => {
    await using fresh = await start(issuer, names);
    const before = await fresh.config();
    for (const generation of [1, 2]) {
      const pair = await deploy("newcomer", generation, { addEntry: true }, fresh);
      expect(await served("newcomer", fresh)).toBe(pair.leaf.fingerprint);
    }
    const file = join(fresh.directory, "newcomer.pem");
    const held = names
      .map((name) => join(fresh.directory, `${name}.pem`))
      .map((path) => ({ certificate: path, key: path }));
    const tls = { certificates: { load_files: [...held, { "@id": "renewd-newcomer", certificate: file, key: file }] } };
    expect(await fresh.config()).toEqual({ ...Object(before), apps: { ...Object(before).apps, tls } });
  });

  it("shows nothing of a refusal that repeats the key, in whatever spelling only the key reveals", async () => {
    await using fresh = await start(issuer, ["www"], { tcp: true });
    const relay = await startAdminRelay(fresh.admin);
    try {
      const pair = await issuer.issue({ certificate: "www", generation: 100 });
      const bytes = KEY_SPELLINGS["hex, escaped"]?.(pair.privateKey.reveal(), 0) ?? expect.unreachable();
      relay.answer = JSON.stringify({ error: `cannot load ${bytes}` });
      const relayed = make({ admin: relay.address, directory: fresh.directory });
      await expect(relayed.deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject({
        code: "deploy.commandFailed",
        message: expect.stringMatching(/: \[not shown: it repeats a private key\]$/),
      });
    } finally {
      relay.stop();
    }
  });

  it("puts the old file back when Caddy refuses the configuration with the new one", async () => {
    const serving = await deploy("www", 5);
    const pair = await issuer.issue({ certificate: "www", generation: 6 });
    const other = join(server.directory, "busy.pem");
    const good = await readFile(other, "utf8");
    await writeFile(other, "nonsense");
    await expect(make(server).deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject({
      code: "deploy.commandFailed",
      message: expect.stringContaining("loading certificates"),
    });
    expect([await served("www"), await stored("www")]).toEqual([serving.leaf.fingerprint, serving.leaf.fingerprint]);
    await writeFile(other, good);
    await make(server).deploy({ pair, previous: null }, NEVER);
    expect(await served("www")).toBe(pair.leaf.fingerprint);
  });

  it("does not overwrite what somebody else changed in the configuration meanwhile", async () => {
    const file = join(server.directory, "www.pem");
    const before = await stored("www");
    const asked: (string | undefined)[] = [];
    const changed = createServer((request, response) => {
      asked.push(request.headers["if-match"]);
      // As Caddy does: the ETag comes as a trailer, and a change since then is refused with 412.
      if (request.method !== "GET")
        return response.writeHead(412).end('{"error":"If-Match header did not match current config hash"}');
      response.writeHead(200, { trailer: "ETag" });
      response.addTrailers({ ETag: '"/config/apps/tls/certificates/load_files 1"' });
      return response.end(JSON.stringify([{ certificate: file, key: file }]));
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => changed.once("listening", resolve));
    // Boundary: a TCP server has such an address.
    const { port } = changed.address() as AddressInfo;
    try {
      await expect(deploy("www", 7, { admin: `127.0.0.1:${port}` })).rejects.toMatchObject({
        code: "deploy.commandFailed",
        message: expect.stringContaining("something else"),
      });
    } finally {
      await new Promise((resolve) => changed.close(resolve));
    }
    expect(asked).toEqual([undefined, '"/config/apps/tls/certificates/load_files 1"']);
    expect(await stored("www")).toBe(before);
  });

  it("names the API that refuses us, is not there or never answers, and touches no file", async () => {
    await using strict = await start(issuer, ["www"], { tcp: true, origins: ["elsewhere.test"] });
    const hanging = createServer(() => {}).listen(join(server.directory, ".hanging.sock"));
    await new Promise((resolve) => hanging.once("listening", resolve));
    const cases = [
      [strict.admin, "deploy.forbidden"],
      ["/run/no-such-caddy.sock", "deploy.unreachable"],
      [join(server.directory, ".hanging.sock"), "deploy.timeout"],
    ] as const;
    try {
      for (const [admin, code] of cases) {
        const expected = { code, message: expect.stringContaining(admin) };
        await expect(
          make(server, { admin, timeout: "300ms" }).preflight?.("absent", null, NEVER),
        ).rejects.toMatchObject(expected);
        await expect(deploy("absent", 1, { admin, timeout: "300ms" })).rejects.toMatchObject(expected);
      }
      expect((await readdir(server.directory)).filter((name) => name.includes("absent"))).toEqual([]);
    } finally {
      hanging.closeAllConnections();
      await new Promise((resolve) => hanging.close(resolve));
    }
  });

  it.each([
    [{ file: "/a/b.pem", admin: "http://localhost:2019" }, "host:port"],
    [{ file: "b.pem" }, "absolute"],
    [{ admin: "localhost:2019" }, "file"],
  ])("refuses the options %j", (wrong, why) => {
    const result = caddy.options.safeParse(wrong);
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
