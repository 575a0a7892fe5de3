// A rehearsal dials what a proof would dial.
import { expect, it } from "vitest";
import { readForeignPair } from "../../../src/compose/foreignPair.ts";
import { importPair } from "../../../src/renewal/operator/importPair.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { tryEndpoints } from "../../../src/renewal/watch/tryEndpoints.ts";
import { createProbe } from "../../../src/tls/probe.ts";
import { createRoot } from "../../support/ca/pki.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";
import { startSwappableTls } from "../../support/servers/swappableTls.ts";

it("says which endpoints answer; a dead one fails, unless its server may wait for its first certificate", async () => {
  await using server = await startSwappableTls();
  const pair = await (await createRoot()).issue({ names: ["www.example.org"] });
  server.serve([pair]);
  const at = (port: number) => ({ host: "127.0.0.1", port, sni: "www.example.org", target: null });
  const www = modelCertificate("www", { endpoints: [at(server.port), at(1)] });
  await using bench = await Workbench.open([www]);
  const { store } = bench.context;
  const context = { store, probe: createProbe({ timeoutMs: 2_000, now: Date.now }) };
  const results = async () => (await tryEndpoints(context, www, NO_SIGNAL)).map(({ step, result }) => [step, result]);
  const live = [`endpoint 127.0.0.1:${server.port}`, "passed"];
  expect(await results()).toEqual([live, ["endpoint 127.0.0.1:1", "notChecked"]]);
  await configure(bench.context, NO_SIGNAL);
  await importPair(bench.context, www, readForeignPair(pair.certPem, pair.keyPem));
  expect(await results()).toEqual([live, ["endpoint 127.0.0.1:1", "failed"]]);
});
