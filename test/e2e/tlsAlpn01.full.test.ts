import { expect, it } from "vitest";
import { createRoot } from "../support/ca/pki.ts";
import { freePort } from "../support/freePort.ts";
import { startHaproxy } from "../support/servers/haproxy.ts";
import { startSystem } from "../support/system/system.ts";

it("two certificates with one name are validated by tls-alpn-01 through two processes that share the port", {
  timeout: 120_000,
}, async () => {
  const tlsPort = await freePort();
  const root = await createRoot();
  const [one, two] = await Promise.all(["a.example.org", "b.example.org"].map((name) => root.issue({ names: [name] })));
  if (one === undefined || two === undefined) return expect.unreachable();
  await using haproxy = await startHaproxy({ certificates: { one, two } });
  const certificate = (own: string) => ({
    names: [own, "same.example.org"],
    targets: ["lb"],
    endpoints: [{ host: "127.0.0.1", port: haproxy.port, sni: own }],
  });
  await using system = await startSystem({
    pebble: { tlsPort, env: { PEBBLE_AUTHZREUSE: "0" } },
    sections: {
      solvers: { http: { type: "tls-alpn-01" } },
      tlsAlpn01: { host: "127.0.0.1", port: tlsPort },
    },
    targets: { lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` } },
    certificates: { one: certificate("a.example.org"), two: certificate("b.example.org") },
  });
  const { acme } = await system.workers();
  const second = system.worker("acme");
  await second.logged("renewd is running");
  for (const process of [acme, second]) await process.logged("tls-alpn-01 responder listening");
  for (const name of ["one", "two"]) {
    expect(await system.ended(name, 90_000)).toMatchObject({ state: "succeeded", errorMessage: null });
    // Waiting for the other order is no failure.
    expect(await system.store.events.list({ certificate: name, types: ["challenge.failed"], limit: 1 })).toEqual([]);
  }
});
