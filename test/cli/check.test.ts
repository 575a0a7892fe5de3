// Nothing here reaches a CA: it listens nowhere. DNS is a server of the test.
import { expect, it } from "vitest";
import { startNameServer, type TestRecord } from "../support/dns/nameServer.ts";
import { configText, createInstallation } from "../support/system/installation.ts";

const ZONE = "example.org";
const RECORDS: readonly TestRecord[] = [
  { name: ZONE, type: "NS", data: `ns.${ZONE}` },
  { name: `ns.${ZONE}`, type: "A", data: "127.0.0.1" },
];

/** Each certificate's names, answered by a name server of renewd that nobody has started. */
function configFor(names: Readonly<Record<string, readonly string[]>>, port: number): string {
  const config = JSON.parse(configText(Object.keys(names)));
  config.solvers.dns = {
    ...{ type: "dns-server", domains: [`acme.${ZONE}`], nameServers: { [`ns.${ZONE}`]: [] } },
    ...{ resolvers: [`127.0.0.1:${port}`] },
  };
  config.defaults.solver = "dns";
  for (const [certificate, list] of Object.entries(names)) {
    const sni = list[0]?.replace("*", "any");
    config.certificates[certificate] = { names: list, endpoints: [{ host: "192.0.2.1", port: 443, sni }] };
  }
  return JSON.stringify(config);
}

it("refuses a name whose CNAME is missing, warns of what it cannot find out, and writes nothing", async () => {
  await using dns = await startNameServer([ZONE], RECORDS);
  await using installation = await createInstallation(configFor({ www: [`*.www.${ZONE}`] }, dns.port));
  const { code, stdout } = await installation.run("check", "www", "--json");
  const report = JSON.parse(stdout);
  expect([code, report.passed, report.certificates]).toEqual([1, false, ["www"]]);
  expect(report.concerns).toEqual([
    // The CA of this configuration does not answer: that alone refuses nothing.
    expect.objectContaining({ name: null, check: "issuer", result: "warning" }),
    expect.objectContaining({
      ...{ certificate: "www", name: `*.www.${ZONE}`, solver: "dns", check: "dns.noZone", result: "refused" },
      message: expect.stringContaining(`no zone for _acme-challenge.www.${ZONE}`),
    }),
  ]);
  const text = (await installation.run("check", "www")).stdout;
  expect(text).toMatch(/\*\.www\.example\.org\s+dns\.noZone\s+refused/);
  expect(await installation.store.dns.records.list(1)).toEqual([]);
  expect(await installation.store.events.list({ limit: 9 })).toEqual([]);
});

it("passes with warnings where the CNAME leads to renewd's zone", async () => {
  await using dns = await startNameServer(
    [ZONE],
    [...RECORDS, { name: `_acme-challenge.${ZONE}`, type: "CNAME", data: `label.acme.${ZONE}` }],
  );
  await using installation = await createInstallation(configFor({ apex: [ZONE, `*.${ZONE}`] }, dns.port));
  const { code, stdout } = await installation.run("check", "--all", "--json");
  const report = JSON.parse(stdout);
  expect([code, report.passed]).toEqual([0, true]);
  // Nobody has delegated the zone yet.
  expect(report.concerns).toContainEqual(
    expect.objectContaining({ check: "delegation", message: expect.stringContaining("not delegated") }),
  );
});

it("refuses public suffixes, as every public CA does, but not the names of those who own a listed domain", async () => {
  await using dns = await startNameServer([ZONE], RECORDS);
  const names = ["co.uk", "*.com", "localhost", "github.io", "www.co.uk"];
  await using installation = await createInstallation(configFor({ mixed: names }, dns.port));
  const { code, stdout } = await installation.run("check", "mixed", "--json");
  const refused = JSON.parse(stdout).concerns.filter(({ check }: { check: string }) => check === "name");
  expect([code, refused.map(({ name, result }: { name: string; result: string }) => [name, result])]).toEqual([
    1,
    [
      ["co.uk", "refused"],
      ["*.com", "refused"],
    ],
  ]);
});

it("needs a certificate or --all, and knows its certificates", async () => {
  await using installation = await createInstallation(configText(["www"]));
  expect((await installation.run("check")).stderr).toContain("name a certificate or give --all");
  expect((await installation.run("check", "www", "--all")).code).not.toBe(0);
  expect((await installation.run("check", "nowhere")).stderr).toContain("nowhere");
});
