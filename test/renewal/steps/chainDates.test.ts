// A chain that is served as it was issued, and has ended since, at a real TLS server.
import { afterAll, beforeAll, expect, it } from "vitest";
import type { EndpointRound } from "../../../src/renewal/steps/examineEndpoint.ts";
import { examineEndpoints } from "../../../src/renewal/steps/examineEndpoint.ts";
import { lookAt } from "../../../src/renewal/watch/observe.ts";
import { createProbe } from "../../../src/tls/probe.ts";
import { createServedJudge } from "../../../src/tls/scan/servedJudge.ts";
import { readLeaf } from "../../../src/x509/leaf.ts";
import { rootsOf } from "../../../src/x509/trust.ts";
import { type Authority, createRoot, type IssuedPair } from "../../support/ca/pki.ts";
import { version } from "../../support/model/facts.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";
import { startTlsServer } from "../../support/servers/tlsServer.ts";

const NAME = "www.example.org";
const ENDED = { notBefore: new Date(Date.now() - 7_200_000), notAfter: new Date(Date.now() - 3_600_000) };

let bench: Workbench;
let [root, oldRoot]: Authority[] = [];
beforeAll(async () => {
  bench = await Workbench.open([]);
  bench.now = Date.now();
  root = await createRoot({ name: "Root" });
  oldRoot = await createRoot({ name: "Old Root" });
});
afterAll(() => bench[Symbol.asyncDispose]());

async function examine(
  { certPem, keyPem }: IssuedPair,
  chain: readonly Authority[],
  trusted = false,
): Promise<EndpointRound> {
  const chainPem = chain.map((each) => each.certPem);
  await using server = await startTlsServer({ pairs: [{ certPem: certPem + chainPem.join(""), keyPem }] });
  const endpoint = { host: "127.0.0.1", port: server.port, sni: NAME, target: null };
  const certificate = modelCertificate("www", { endpoints: [endpoint] });
  const issued = version({ leaf: readLeaf(certPem), leafPem: certPem, chainPem });
  const roots = rootsOf([root?.certPem ?? ""]);
  const context = {
    ...bench.context,
    settings: { ...bench.context.settings, trusted },
    probe: createProbe({ timeoutMs: 20_000, now: () => bench.now }),
    judge: createServedJudge(() => roots),
  };
  const needed = { certificate, version: issued, endpoints: [endpoint] };
  const [round] = await examineEndpoints(context, needed, lookAt(issued, 3), NO_SIGNAL);
  return round ?? expect.unreachable();
}

it("does not take a certificate for proved below an issued intermediate that has expired", async () => {
  const ca = (await root?.intermediate({ name: "Ended CA", ...ENDED })) ?? expect.unreachable();
  const { status } = await examine(await ca.issue({ names: [NAME] }), [ca]);
  expect(status).toMatchObject({
    proved: false,
    errorCode: "verify.badChain",
    errorMessage: expect.stringContaining("Ended CA above it is not valid now"),
  });
});

it("takes no harm from a cross-signed intermediate that has expired where a trusted root stands in for it", async () => {
  const ca = (await root?.intermediate({ name: "Sound CA" })) ?? expect.unreachable();
  const crossSigned = await oldRoot?.intermediate({ name: "Root", keyPem: root?.keyPem ?? "", ...ENDED });
  const { status } = await examine(await ca.issue({ names: [NAME] }), [ca, crossSigned ?? expect.unreachable()]);
  expect(status).toMatchObject({ proved: true, errorCode: null });
});

it("takes a chain to a root that nobody trusts for proved only where no trusted one is asked for", async () => {
  const ca = (await oldRoot?.intermediate({ name: "Private CA" })) ?? expect.unreachable();
  const pair = await ca.issue({ names: [NAME] });
  expect((await examine(pair, [ca])).status).toMatchObject({ proved: true });
  expect((await examine(pair, [ca], true)).status).toMatchObject({
    ...{ proved: false, errorCode: "verify.badChain" },
    errorMessage: expect.stringMatching(/Old Root.*`verification.trusted` asks for a trusted root/),
  });
  const known = (await root?.intermediate({ name: "Public CA" })) ?? expect.unreachable();
  const { status } = await examine(await known.issue({ names: [NAME] }), [known], true);
  expect(status).toMatchObject({ proved: true, errorCode: null });
});
