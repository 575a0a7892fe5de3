// What is spoken before and in the handshake, with real servers: STARTTLS of each protocol, and ALPN.
import { beforeAll, expect, test } from "vitest";
import type { Endpoint, Observation, StartTlsProtocol } from "../../src/domain/endpoint.ts";
import { createProbe } from "../../src/tls/probe.ts";
import { readLeaf } from "../../src/x509/leaf.ts";
import { createRoot, type IssuedPair } from "../support/ca/pki.ts";
import { startDovecot } from "../support/servers/dovecot.ts";
import { startNginx } from "../support/servers/nginx.ts";
import { startMariadb, startProsody, startSlapd, startVsftpd } from "../support/servers/plainThenTls.ts";
import { startPostfix } from "../support/servers/postfix.ts";
import { startPostgres } from "../support/servers/postgres.ts";

const NAME = "mail.renewd.test";
const START_TIMEOUT_MS = 60_000;

let pair: IssuedPair;
beforeAll(async () => {
  pair = await (await createRoot()).issue({ names: [NAME] });
});

function observe(port: number, patch: Partial<Endpoint>): Promise<Observation> {
  const endpoint = { host: NAME, port, sni: NAME, target: null, ...patch };
  const probe = createProbe({ timeoutMs: 10_000, now: Date.now });
  return probe.observe(endpoint, "127.0.0.1", null, new AbortController().signal);
}

async function expectServed(port: number, starttls: StartTlsProtocol): Promise<void> {
  expect(await observe(port, { starttls })).toMatchObject({
    problem: null,
    served: { serial: readLeaf(pair.certPem).serial },
  });
}

test("Postfix shows its certificate by smtp", { timeout: START_TIMEOUT_MS }, async () => {
  await using server = await startPostfix(pair, { wrapped: false });
  await expectServed(server.port, "smtp");
});

test.each(["imap", "pop3", "sieve"] as const)(
  "Dovecot shows its certificate by %s",
  {
    timeout: START_TIMEOUT_MS,
  },
  async (protocol) => {
    await using server = await startDovecot({ pair, layout: "pair", wrapped: false, protocol });
    await expectServed(server.port, protocol);
  },
);

test("slapd shows its certificate by ldap", { timeout: START_TIMEOUT_MS }, async () => {
  await using server = await startSlapd(pair);
  await expectServed(server.port, "ldap");
});

test("MariaDB shows its certificate by mysql", { timeout: START_TIMEOUT_MS }, async () => {
  await using server = await startMariadb(pair);
  await expectServed(server.port, "mysql");
});

test("vsftpd shows its certificate by ftp", { timeout: START_TIMEOUT_MS }, async () => {
  await using server = await startVsftpd(pair);
  await expectServed(server.port, "ftp");
});

test("prosody shows its certificate by xmpp", { timeout: START_TIMEOUT_MS }, async () => {
  await using server = await startProsody(pair, NAME);
  await expectServed(server.port, "xmpp");
});

test("PostgreSQL shows its certificate by postgresql", { timeout: START_TIMEOUT_MS }, async () => {
  await using server = await startPostgres({ tls: { pair, layout: "pair" } });
  await expectServed(server.port, "postgresql");
});

test("nginx shows its certificate for an application protocol that it speaks, and refuses another", {
  timeout: START_TIMEOUT_MS,
}, async () => {
  await using server = await startNginx({ certificates: { mail: { ...pair, serverNames: [NAME] } } });
  expect(await observe(server.port, { alpn: ["imap", "http/1.1"] })).toMatchObject({
    problem: null,
    served: { serial: readLeaf(pair.certPem).serial },
  });
  expect(await observe(server.port, { alpn: ["imap"] })).toMatchObject({
    served: null,
    problem: {
      code: "verify.unreachable",
      message: "it speaks none of the application protocols that `alpn` of the endpoint offers",
    },
  });
});
