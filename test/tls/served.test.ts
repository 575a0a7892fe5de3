import { createHash, X509Certificate } from "node:crypto";
import { expect, it } from "vitest";
import { createProbe } from "../../src/tls/probe.ts";
import { createRoot } from "../support/ca/pki.ts";
import { startTlsServer } from "../support/servers/tlsServer.ts";

const NAME = "www.renewd.test";
const SIGNAL = new AbortController().signal;

function fingerprint(pem: string): string {
  return createHash("sha256").update(new X509Certificate(pem).raw).digest("hex");
}

it("reads once what a server sends again and again, and the same leaf with another chain as another answer", async () => {
  const outer = await (await createRoot()).intermediate();
  const inner = await outer.intermediate();
  const { certPem, keyPem } = await inner.issue({ names: [NAME] });
  await using whole = await startTlsServer({ pairs: [{ keyPem, certPem: certPem + inner.certPem + outer.certPem }] });
  await using short = await startTlsServer({ pairs: [{ keyPem, certPem: certPem + inner.certPem }] });
  const probe = createProbe({ timeoutMs: 10_000, now: Date.now });
  const see = async (port: number) => {
    const endpoint = { host: NAME, port, sni: NAME, target: null };
    return (await probe.observe(endpoint, "127.0.0.1", null, SIGNAL)).served ?? expect.unreachable();
  };
  const [first, second, other] = [await see(whole.port), await see(whole.port), await see(short.port)];
  expect(second).toBe(first);
  expect([first.fingerprint, other.fingerprint]).toEqual([fingerprint(certPem), fingerprint(certPem)]);
  expect(first.chain).toEqual([fingerprint(inner.certPem), fingerprint(outer.certPem)]);
  expect(other.chain).toEqual([fingerprint(inner.certPem)]);
});
