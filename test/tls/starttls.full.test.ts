// STARTTLS with real servers: SMTP of Postfix, IMAP of Dovecot, PostgreSQL.
import { beforeAll, expect, test } from "vitest";
import type { StartTlsProtocol } from "../../src/domain/endpoint.ts";
import { createProbe } from "../../src/tls/probe.ts";
import { readLeaf } from "../../src/x509/leaf.ts";
import { createRoot, type IssuedPair } from "../support/ca/pki.ts";
import { startDovecot } from "../support/servers/dovecot.ts";
import { startPostfix } from "../support/servers/postfix.ts";
import { startPostgres } from "../support/servers/postgres.ts";

const NAME = "mail.renewd.test";
const START_TIMEOUT_MS = 60_000;

let pair: IssuedPair;
beforeAll(async () => {
  pair = await (await createRoot()).issue({ names: [NAME] });
});

async function expectServed(port: number, starttls: StartTlsProtocol): Promise<void> {
  const endpoint = { host: NAME, port, sni: NAME, target: null, starttls };
  const probe = createProbe({ timeoutMs: 10_000, now: Date.now });
  const seen = await probe.observe(endpoint, "127.0.0.1", null, new AbortController().signal);
  expect(seen).toMatchObject({ problem: null, served: { serial: readLeaf(pair.certPem).serial } });
}

test("Postfix shows its certificate by smtp", { timeout: START_TIMEOUT_MS }, async () => {
  await using server = await startPostfix(pair, { wrapped: false });
  await expectServed(server.port, "smtp");
});

test("Dovecot shows its certificate by imap", { timeout: START_TIMEOUT_MS }, async () => {
  await using server = await startDovecot({ pair, layout: "pair", wrapped: false });
  await expectServed(server.port, "imap");
});

test("PostgreSQL shows its certificate by postgresql", { timeout: START_TIMEOUT_MS }, async () => {
  await using server = await startPostgres({ tls: { pair, layout: "pair" } });
  await expectServed(server.port, "postgresql");
});
