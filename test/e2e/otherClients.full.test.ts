// lego and certbot from Debian: clients of renewd's listener, and models of the contracts that renewd's bridges keep.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { nodeListener } from "../../src/web/nodeListener.ts";
import { startWebServer } from "../../src/web/server.ts";
import { challengeOf } from "../conformance/dnsProvider.ts";
import { type Pebble, startPebble } from "../support/ca/pebble.ts";
import { solverDependencies } from "../support/dns/dependencies.ts";
import { freePort } from "../support/freePort.ts";
import { type ClientRun, type OtherClients, otherClients } from "../support/otherClients.ts";
import { SOLVERS } from "../support/plugins.ts";
import { startBind } from "../support/servers/nameServers.ts";
import { createWebEstate } from "../support/system/webEstate.ts";

const ZONE = "clients.example";
const NAME = `mx.${ZONE}`;
const PASSWORD = "password-of-the-mail-gateway";
const log = { debug() {}, info() {}, warn() {}, error() {} };
const TIMEOUT_MS = 120_000;

it("lego issues through renewd's httpreq listener, in both modes", { timeout: TIMEOUT_MS }, async () => {
  await using bind = await startBind({ zone: ZONE });
  const resolver = `127.0.0.1:${bind.port}`;
  await using pebble = await startPebble({ dnsServer: resolver });
  process.env.OTHER_CLIENTS_PASSWORD = PASSWORD;
  await using estate = await createWebEstate({
    sections: {
      solvers: {
        http: { type: "http-01" },
        dns: {
          ...{ type: "rfc2136", server: resolver, keyName: bind.keyName, secret: `file:${bind.secretFile}` },
          resolvers: [resolver],
        },
      },
      web: { httpreq: { gateway: { password: "env:OTHER_CLIENTS_PASSWORD", solver: "dns", zones: [ZONE] } } },
    },
  });
  const listener = nodeListener(estate.app, estate.web.readers);
  const place = { host: "127.0.0.1", port: await freePort(), firstPort: 1, tls: null };
  const server = await startWebServer({ ...place, listener, log });
  try {
    await using clients = await otherClients(pebble);
    const issue = (name: string, password: string, mode = ""): Promise<ClientRun> =>
      clients.lego([name], {
        ...{ dns: "httpreq", path: `lego-${name}` },
        env: {
          ...{ HTTPREQ_ENDPOINT: `${server.url}/httpreq`, HTTPREQ_USERNAME: "gateway", HTTPREQ_PASSWORD: password },
          ...{ HTTPREQ_MODE: mode, HTTPREQ_POLLING_INTERVAL: "1" },
        },
      });
    const [refused, byValue, raw] = await Promise.all([
      issue(`wrong.${ZONE}`, "wrong"),
      issue(NAME, PASSWORD),
      issue(`raw.${ZONE}`, PASSWORD, "RAW"),
    ]);
    expect(refused).toMatchObject({ code: 1, output: expect.stringContaining("401") });
    expect([byValue, raw]).toMatchObject([{ code: 0 }, { code: 0 }]);
    for (const name of [NAME, `raw.${ZONE}`]) {
      const certificate = join(clients.directory, `lego-${name}`, "certificates", `${name}.crt`);
      expect(await readFile(certificate, "utf8")).toContain("BEGIN CERT");
      expect(await bind.txt(`_acme-challenge.${name}`)).toEqual([]);
    }
    expect(await estate.store.dns.records.list(9)).toEqual([]);
    const types = ["client.published", "client.removed", "access.refused"] as const;
    const events = await estate.store.events.list({ types: [...types], limit: 9 });
    expect(events.map(({ type, detail }) => `${type} ${detail.client ?? ""}`).toSorted()).toEqual([
      "access.refused ",
      ...["client.published gateway", "client.published gateway"],
      ...["client.removed gateway", "client.removed gateway"],
    ]);
    expect(JSON.stringify(events)).not.toContain(PASSWORD);
  } finally {
    delete process.env.OTHER_CLIENTS_PASSWORD;
    await server.close();
  }
});

/** For what a program is called with: the CA need not find anything. */
let lenient: Pebble;
let clients: OtherClients;
beforeAll(async () => {
  lenient = await startPebble({ env: { PEBBLE_VA_ALWAYS_VALID: "1", PEBBLE_AUTHZREUSE: "0" } });
  clients = await otherClients(lenient);
});
afterAll(async () => {
  await clients[Symbol.asyncDispose]();
  await lenient[Symbol.asyncDispose]();
});

/** Writes down what it is called with, one call a line. */
async function recorder(name: string, line: string): Promise<{ readonly path: string; seen(): Promise<string[]> }> {
  const path = join(clients.directory, name);
  await writeFile(path, `#!/bin/sh\n${line} | tr '\\n' ' ' >> ${path}.seen\necho >> ${path}.seen\necho said-by-$$\n`, {
    mode: 0o755,
  });
  const read = async () => (await readFile(`${path}.seen`, "utf8")).trimEnd().split("\n");
  return {
    path,
    // Tokens and digests are of the order; that they are where they belong is what counts.
    seen: async () =>
      (await read()).map((each) =>
        each
          .trim()
          .replace(/\S*[\w-]{43}\.[\w-]{43}/g, "KEY-AUTHORIZATION")
          .replace(/(?<![\w-])[\w-]{43}(?![\w-])/g, "DIGEST-OR-TOKEN")
          .replace(/said-by-\d+/, "SAID"),
      ),
  };
}

async function presentAndCleanUp(type: string, written: Readonly<Record<string, unknown>>): Promise<void> {
  const plugin = SOLVERS.find((one) => one.type === type);
  if (plugin === undefined) throw new Error(`no solver ${type}`);
  const options = plugin.options.parse({ ...written, follow: "never", propagation: { check: "none" } });
  const solver = plugin.create(options, solverDependencies());
  const challenge = challengeOf(NAME);
  await solver.present(challenge, AbortSignal.timeout(TIMEOUT_MS));
  await solver.cleanUp(challenge, AbortSignal.timeout(TIMEOUT_MS));
}

it.each([
  ["default", ""],
  ["raw", "RAW"],
])("one program serves lego's exec and renewd's, in mode %s", { timeout: TIMEOUT_MS }, async (mode, lego) => {
  const [theirs, ours] = [
    await recorder(`lego-${mode}`, `printf '%s\\n' "$#" "$@"`),
    await recorder(`renewd-${mode}`, `printf '%s\\n' "$#" "$@"`),
  ];
  const env = { EXEC_PATH: theirs.path, EXEC_MODE: lego, EXEC_POLLING_INTERVAL: "1" };
  expect(await clients.lego([NAME], { dns: "exec", path: `account-${mode}`, env })).toMatchObject({ code: 0 });
  await presentAndCleanUp("exec", { command: [ours.path], mode });
  expect(await ours.seen()).toEqual(await theirs.seen());
  expect(await ours.seen()).toHaveLength(2);
});

it("certbot's hooks find the same variables when renewd runs them", { timeout: TIMEOUT_MS }, async () => {
  const line = "env | grep ^CERTBOT_ | sort";
  const [theirs, ours] = [await recorder("certbot-hook", line), await recorder("renewd-hook", line)];
  const hooks = { auth: theirs.path, cleanUp: theirs.path };
  expect(await clients.certbot([NAME], hooks)).toMatchObject({ code: 0 });
  await presentAndCleanUp("certbot-hooks", { authHook: [ours.path], cleanupHook: [ours.path] });
  expect(await ours.seen()).toEqual(await theirs.seen());
  expect((await ours.seen()).map((each) => each.includes("CERTBOT_AUTH_OUTPUT=SAID"))).toEqual([false, true]);
});
