// A certificate that left the configuration and is still served stays in status.
import { expect, test } from "vitest";
import { renderCertificates } from "../../src/cli/render/certificates.ts";
import type { Store } from "../../src/domain/store.ts";
import type { Leaf } from "../../src/domain/version.ts";
import { certificatesReport } from "../../src/reports/certificates.ts";
import { loadedFleet } from "../../src/reports/configured.ts";
import { statusReport } from "../../src/reports/status.ts";
import { modelCertificate, Workbench } from "../support/model/workbench.ts";

const OLD = modelCertificate("old", { targets: ["a"] });
const OTHER = modelCertificate("other", {
  identifiers: [{ type: "dns", value: "other.example.org" }],
  targets: ["b"],
  endpoints: [{ host: "b", port: 443, sni: "other.example.org", target: "b" }],
});

/** As a handshake shows it that got this leaf. */
async function seen(store: Store, certificate: string, { fingerprint, serial, notBefore, notAfter }: Leaf) {
  const served = { fingerprint, serial, notBefore, notAfter, subjectAltNames: [], issuer: "CA", chain: [] };
  for (const status of await store.observations.statuses(certificate)) {
    const observed = await store.observations.observations(certificate);
    const here = observed.filter(({ endpoint }) => endpoint === status.endpoint);
    await store.observations.record(
      status,
      here.map(({ observation }) => ({ ...observation, served })),
    );
  }
}

test("it is listed until it expires, red once nobody has time to lose, and gone when another takes its endpoint", async () => {
  await using bench = await Workbench.open([OLD, OTHER]);
  await bench.begin();
  await bench.work();
  const { leaf } = (await bench.store.versions.latest("old")) ?? expect.unreachable();
  const listed = async (now: number) =>
    (await statusReport(bench.store, bench.certificates, now)).notices.filter(({ kind }) => kind === "unmanaged");
  expect(await listed(bench.now)).toEqual([]);
  await seen(bench.store, "old", leaf);

  bench.certificates = [OTHER];
  bench.now += 60_000;
  await bench.begin();
  const [endpoint = expect.unreachable()] = OLD.endpoints;
  expect(await listed(bench.now)).toMatchObject([
    {
      id: "unmanaged/old",
      what: expect.stringContaining(`while ${endpoint.host}:${endpoint.port} served it: nothing renews it`),
      needsPerson: false,
      certificates: ["old"],
    },
  ]);
  const certificates = await certificatesReport(bench.store, bench.certificates, bench.now, undefined, {
    unmanagedIn: loadedFleet(bench.certificates),
  });
  expect(certificates.unmanaged).toMatchObject([
    { certificate: "old", servedAt: [`${endpoint.host}:${endpoint.port}`], serial: leaf.serial },
  ]);
  expect(renderCertificates(certificates, { width: 80, colours: false })).toMatch(
    /nothing renews them:\n {2}old: \S+:443, expires in 89 d 23 h$/,
  );
  expect(await listed(leaf.notAfter - 60_000)).toMatchObject([{ id: "unmanaged/old", needsPerson: true }]);
  expect(await listed(leaf.notAfter)).toEqual([]);

  bench.certificates = [OTHER, { ...OLD, name: "new" }];
  await bench.begin();
  expect(await listed(bench.now)).toEqual([]);
});
