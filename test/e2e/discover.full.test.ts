// What is really served: nginx with several server blocks, HAProxy, and names out of BIND's zone.
import { readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { openReader } from "../../src/compose/index.ts";
import type { DiscoverReport, InventoryKeyReport, InventoryReport } from "../../src/reports/inventory.ts";
import { createRoot } from "../support/ca/pki.ts";
import { type Haproxy, startHaproxy } from "../support/servers/haproxy.ts";
import { startBind, type TsigServer } from "../support/servers/nameServers.ts";
import { type Nginx, startNginx } from "../support/servers/nginx.ts";
import { configText, createInstallation, type Installation } from "../support/system/installation.ts";

let installation: Installation;
let nginx: Nginx;
let haproxy: Haproxy;
let bind: TsigServer;
let keyed: TsigServer;

beforeAll(async () => {
  const root = await createRoot();
  const www = await root.issue({ names: ["www.inv.test", "hidden.inv.test"] });
  const hidden = await root.issue({ names: ["hidden.inv.test"] });
  const local = await root.issue({ names: ["localhost"] });
  // The same key, elsewhere and in another certificate.
  const twin = await root.issue({ names: ["twin.inv.test"], keyPem: www.keyPem });
  [nginx, haproxy, bind, keyed] = await Promise.all([
    startNginx({
      certificates: {
        www: { serverNames: ["www.inv.test"], ...www },
        hidden: { serverNames: ["hidden.inv.test"], ...hidden },
        local: { serverNames: ["localhost"], ...local },
      },
    }),
    startHaproxy({ certificates: { twin } }),
    startBind({ zone: "localhost", records: ["@ A 127.0.0.1", "_acme-challenge CNAME @"], transfer: "any" }),
    startBind({
      zone: "inv.test",
      records: ["www A 192.0.2.1", "alias CNAME www", "@ TXT x", "* AAAA 2001:db8::1"],
    }),
  ]);
  installation = await createInstallation(configuration());
}, 60_000);
afterAll(async () => {
  await Promise.all([nginx, haproxy, bind, keyed, installation].map((each) => each?.[Symbol.asyncDispose]()));
});

function configuration(): string {
  const config = JSON.parse(configText(["www"]));
  return JSON.stringify({
    ...config,
    solvers: {
      ...config.solvers,
      zone: {
        ...{ type: "rfc2136", server: `127.0.0.1:${keyed.port}`, keyName: keyed.keyName, zones: ["inv.test"] },
        secret: `file:${keyed.secretFile}`,
      },
    },
    discovery: {
      allow: ["127.0.0.0/8", "::1"],
      hosts: [{ host: "127.0.0.1", port: nginx.port, sni: "www.inv.test" }],
      networks: [{ network: "127.0.0.1/32", ports: [haproxy.port] }],
      files: [haproxy.directory],
      zones: {
        solvers: ["zone"],
        transfers: [{ zone: "localhost", server: `127.0.0.1:${bind.port}` }],
        ports: [nginx.port],
      },
    },
  });
}

const json = async <T>(...args: string[]): Promise<T> => {
  const { stdout, stderr } = await installation.run(...args, "--json");
  return JSON.parse(stdout || stderr) as T;
};

test("finds what is served by name, in a network, in files and by a zone's names, and adopts it", async () => {
  const discovered = await json<DiscoverReport>("discover", "files", "hosts", "sni", "zones", "networks");
  expect(discovered.runs.map(({ source, problems }) => [source, problems])).toEqual([
    ["files", []],
    ["hosts", []],
    ["sni", []],
    ["zones", []],
    ["networks", []],
  ]);

  const { certificates, total } = await json<InventoryReport>("inventory");
  const byNames = new Map(certificates.map((each) => [each.names.join(), each]));
  const placesOf = (names: string) => byNames.get(names)?.places.map(({ source, place }) => `${source} ${place}`);
  expect(placesOf("www.inv.test,hidden.inv.test")).toEqual([`hosts www.inv.test at 127.0.0.1:${nginx.port}`]);
  // Only the other certificate's second name led there.
  expect(placesOf("hidden.inv.test")).toEqual([`sni hidden.inv.test at 127.0.0.1:${nginx.port}`]);
  expect(placesOf("localhost")).toContain(`zones localhost at 127.0.0.1:${nginx.port}`);
  expect(placesOf("twin.inv.test")).toEqual([`files ${haproxy.directory}/twin.pem`]);
  expect(byNames.get("placeholder.test")?.places.some(({ source }) => source === "networks")).toBe(true);
  expect(certificates.every(({ management }) => management === "unmanaged")).toBe(true);
  expect(total).toBe(certificates.length);

  const www = byNames.get("www.inv.test,hidden.inv.test")?.fingerprint ?? expect.unreachable();
  const { certificates: withKey } = await json<InventoryKeyReport>("inventory", "key", www.slice(0, 10));
  expect(withKey.map(({ names }) => names.join()).sort()).toEqual(["twin.inv.test", "www.inv.test,hidden.inv.test"]);

  const before = parse(await readFile(installation.configFile, "utf8"));
  for (const each of certificates.filter(
    ({ names }) => !names.some((name) => ["placeholder.test", "localhost"].includes(name)),
  )) {
    const { stdout: snippet } = await installation.run("inventory", "adopt", each.fingerprint);
    const found = parse(snippet);
    const merged = {
      ...before,
      targets: { ...before.targets, ...found.targets },
      certificates: { ...before.certificates, ...found.certificates },
    };
    await writeFile(installation.configFile, stringify(merged));
    const checked = await installation.run("config", "check", "--offline");
    expect([checked.code, checked.stderr], snippet).toEqual([0, ""]);
  }
  await writeFile(installation.configFile, stringify(before));
});

test("a server that hands its zone to nobody, and one that is no name server, are said to be so", async () => {
  const { runs } = await json<DiscoverReport>(
    ...["discover", `zone:inv.test@127.0.0.1:${keyed.port}`, `zone:inv.test@127.0.0.1:${nginx.port}`],
  );
  expect(runs[0]?.problems).toEqual([
    expect.stringMatching(/zone inv\.test: .*does not hand out zone inv\.test \(rcode 5\)/),
    expect.stringMatching(/zone inv\.test: .*did not hand out all of zone inv\.test/),
  ]);
});

test("the key of a dns-01 solver takes the names of its zone", async () => {
  await using reader = await openReader(installation.configFile);
  const { dns } = reader.services.solver("zone");
  const found = await dns?.zoneNames?.(["a.b.inv.test"], AbortSignal.timeout(10_000));
  expect(found).toEqual([{ zone: "inv.test", names: expect.any(Array) }]);
  expect(found?.[0]?.names.toSorted()).toEqual(["*.inv.test", "alias.inv.test", "ns1.inv.test", "www.inv.test"]);
});
