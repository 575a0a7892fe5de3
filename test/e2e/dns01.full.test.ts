import { expect, it } from "vitest";
import { challengeOf } from "../conformance/dnsProvider.ts";
import { createRoot } from "../support/ca/pki.ts";
import { startHaproxy } from "../support/servers/haproxy.ts";
import { startBind, type TsigServer } from "../support/servers/nameServers.ts";
import { startSystem } from "../support/system/system.ts";
import { until } from "../support/until.ts";

const ZONE = "renewd-dns.example";

it("a certificate for apex and wildcard is validated by dns-01, and one name by http-01 beside it", {
  timeout: 120_000,
}, async () => {
  await using bind = await startBind({ zone: ZONE, records: ["@ A 127.0.0.1", "* A 127.0.0.1"] });
  const before = await (await createRoot()).issue({ names: [ZONE] });
  await using haproxy = await startHaproxy({ certificates: { site: before } });
  await using system = await startSystem({
    ...estate(bind, haproxy, [ZONE, `*.${ZONE}`, `a.www.${ZONE}`]),
  });
  await system.workers();
  expect(await system.ended("site", 60_000)).toMatchObject({ state: "succeeded", errorMessage: null });
  const version = await system.store.versions.latest("site");
  expect(version?.leaf.identifiers.map(({ value }) => value).toSorted()).toEqual(
    [ZONE, `*.${ZONE}`, `a.www.${ZONE}`].toSorted(),
  );
  const presented = (await system.store.events.list({ types: ["challenge.presented"], limit: 10 })).map(
    ({ detail }) => `${detail.identifier} ${detail.challenge}`,
  );
  expect(presented.toSorted()).toEqual([`a.www.${ZONE} http-01`, `${ZONE} dns-01`, `${ZONE} dns-01`]);
  expect(await bind.txt(`_acme-challenge.${ZONE}`)).toEqual([]);
  expect(await system.store.dns.records.list(10)).toEqual([]);
});

it("what a worker left in DNS before it died is removed by the next start, without the CA", {
  timeout: 120_000,
}, async () => {
  await using bind = await startBind({ zone: ZONE, records: ["@ A 127.0.0.1", "* A 127.0.0.1"] });
  const before = await (await createRoot()).issue({ names: [ZONE] });
  await using haproxy = await startHaproxy({ certificates: { site: before } });
  await using system = await startSystem({
    ...estate(bind, haproxy, [ZONE, `*.${ZONE}`]),
  });
  const name = `_acme-challenge.left.${ZONE}`;
  const { token } = challengeOf(`left.${ZONE}`);
  await system.store.dns.records.insert({
    ...{ id: "left", solver: "dns", identifier: `left.${ZONE}`, name, value: token, zoneId: ZONE, zoneName: ZONE },
    ...{
      providerId: null,
      certificate: null,
      renewalId: null,
      client: null,
      state: "publishing",
      createdAt: Date.now(),
    },
    ...{ publishedAt: null, expiresAt: Date.now() - 1, attempts: 0, nextAttemptAt: null },
    ...{ errorCode: null, errorMessage: null },
  });
  await bind.add(name, token);
  await system.workers();
  await until("the record to go", async () => ((await bind.txt(name)).length === 0 ? true : null));
  await until("its row to go", async () => ((await system.store.dns.records.list(1)).length === 0 ? true : null));
});

it("a worker killed after it published leaves nothing: the next one finishes the same order", {
  timeout: 120_000,
}, async () => {
  await using bind = await startBind({ zone: ZONE, records: ["@ A 127.0.0.1", "* A 127.0.0.1"] });
  const before = await (await createRoot()).issue({ names: [ZONE] });
  await using haproxy = await startHaproxy({ certificates: { site: before } });
  await using system = await startSystem(estate(bind, haproxy, [ZONE, `*.${ZONE}`]));
  const { acme } = await system.workers();
  await system.event("challenge.presented", "site");
  acme.kill("SIGKILL");
  system.worker("acme");
  expect(await system.ended("site", 60_000)).toMatchObject({ state: "succeeded", errorMessage: null });
  expect(system.orders()).toBe(1);
  await until("the rows to go", async () => ((await system.store.dns.records.list(1)).length === 0 ? true : null));
  expect(await bind.txt(`_acme-challenge.${ZONE}`)).toEqual([]);
});

it("a provider that takes long holds no worker: others are issued by the only one meanwhile", {
  timeout: 120_000,
}, async () => {
  await using bind = await startBind({ zone: ZONE });
  const at = `127.0.0.1:${bind.port}`;
  const quick = {
    type: "rfc2136",
    server: at,
    keyName: bind.keyName,
    secret: `file:${bind.secretFile}`,
    resolvers: [at],
  };
  const certificate = (name: string, solver: string): object => ({
    ...{ names: [`*.${name}.${ZONE}`], solver, targets: ["store"], endpoints: [] },
  });
  await using system = await startSystem({
    pebble: { dnsServer: at },
    sections: {
      solvers: {
        quick: { ...quick, propagation: { check: "resolvers" } },
        // Longer than a worker waits for any answer.
        slow: { ...quick, propagation: { check: "resolvers", delay: "14s" } },
      },
      defaults: { issuer: "ca", solver: "quick" },
      workers: { issue: 1 },
    },
    targets: { store: { type: "files", directory: "/nonexistent", bundle: "{certificate}.pem", served: false } },
    certificates: { a: certificate("a", "slow"), b: certificate("b", "quick"), c: certificate("c", "quick") },
  });
  system.worker("planner");
  system.worker("acme");
  const { seq: presented } = await system.event("challenge.presented", "a");
  const issued = await Promise.all(["a", "b", "c"].map((name) => system.event("version.issued", name)));
  const [slow = 0, ...others] = issued.map(({ seq }) => seq);
  expect(others.every((seq) => presented < seq && seq < slow)).toBe(true);
  const { detail } = await system.event("challenge.waiting", "a");
  expect(detail.why).toBe("the configured delay has not passed");
  const [renewal] = await system.store.renewals.list({ certificate: "a", limit: 1 });
  expect(renewal).toMatchObject({ attempts: 0, errorCode: null });
  expect(system.orders()).toBe(3);
});

type Options = NonNullable<Parameters<typeof startSystem>[0]>;

function estate(
  bind: TsigServer,
  haproxy: { readonly socket: string; readonly directory: string; readonly port: number },
  names: readonly string[],
): Options {
  const at = `127.0.0.1:${bind.port}`;
  return {
    pebble: { dnsServer: at },
    sections: {
      solvers: {
        http: { type: "http-01", zones: [`www.${ZONE}`] },
        dns: {
          ...{ type: "rfc2136", server: at, keyName: bind.keyName, secret: `file:${bind.secretFile}` },
          ...{ resolvers: [at], propagation: { check: "resolvers" } },
        },
      },
    },
    targets: { lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` } },
    certificates: {
      site: {
        names,
        solver: ["http", "dns"],
        targets: ["lb"],
        endpoints: [{ host: "127.0.0.1", port: haproxy.port, sni: ZONE }],
      },
    },
  };
}
