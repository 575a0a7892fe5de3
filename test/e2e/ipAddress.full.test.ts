import { expect, it } from "vitest";
import { createRoot } from "../support/ca/pki.ts";
import { startHaproxy } from "../support/servers/haproxy.ts";
import { runCaptured } from "../support/system/installation.ts";
import { startSystem } from "../support/system/system.ts";

it("a certificate for an IP address is validated there by http-01 and proved by clients that send no server name", {
  timeout: 120_000,
}, async () => {
  // Clients without a server name get the first file: this one.
  const before = await (await createRoot()).issue({ names: ["127.0.0.1"] });
  await using haproxy = await startHaproxy({ certificates: { "00-address": before } });
  await using system = await startSystem({
    pebble: { version: "2.10" },
    targets: { lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` } },
    certificates: { "00-address": { names: ["127.0.0.1"], targets: ["lb"], endpoints: [`127.0.0.1:${haproxy.port}`] } },
  });
  await system.workers();
  expect(await system.ended("00-address", 60_000)).toMatchObject({
    state: "succeeded",
    generation: 1,
    errorMessage: null,
  });
  const version = await system.store.versions.latest("00-address");
  expect(version?.leaf.identifiers).toEqual([{ type: "ip", value: "127.0.0.1" }]);
  const [served] = await system.store.observations.observations("00-address");
  expect(served?.observation).toMatchObject({
    address: "127.0.0.1",
    problem: null,
    served: { fingerprint: version?.leaf.fingerprint },
  });
  expect(served?.observation.served?.subjectAltNames).toEqual(["127.0.0.1"]);

  // A running system is the one in which doctor finds nothing to fix.
  const { stdout } = await runCaptured(["-c", system.configFile, "doctor", "--json"]);
  const { checks } = JSON.parse(stdout);
  expect(checks.filter(({ result }: { result: string }) => result === "failed")).toEqual([]);
  // Names are not among them: this CA validates at another port than 80, which nobody answers here.
  const resultsOf = (area: string) =>
    checks.flatMap((check: { area: string; result: string }) => (check.area === area ? [check.result] : []));
  for (const area of ["database", "ca", "clock", "targets", "processes"])
    expect(resultsOf(area), area).toEqual(["passed"]);
  // Tests keep their Redis in memory alone, which doctor warns of.
  expect(resultsOf("redis")).toEqual(["passed", "warning"]);
});
