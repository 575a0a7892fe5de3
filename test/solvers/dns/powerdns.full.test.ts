// The provider against PowerDNS itself: what its contract fake says is what the server does.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Secret } from "../../../src/domain/secret.ts";
import { challengeOf, describeDnsSolver } from "../../conformance/dnsProvider.ts";
import { memoryDns, solverDependencies } from "../../support/dns/dependencies.ts";
import { SOLVERS } from "../../support/plugins.ts";
import { type PowerDns, startPowerDns } from "../../support/servers/powerdns.ts";

const ZONE = "pdns.example";
const SECONDARY = "copied.example";

let server: PowerDns;
beforeAll(async () => {
  server = await startPowerDns({ [ZONE]: "Native", [SECONDARY]: "Slave" });
});
afterAll(() => server[Symbol.asyncDispose]());

function solver(dns = memoryDns(), key = server.key) {
  const plugin = SOLVERS.find(({ type }) => type === "powerdns");
  if (plugin === undefined) throw new Error("no solver powerdns");
  const written = { endpoint: server.origin, key: "env:K", follow: "never", propagation: { check: "none" } };
  return plugin.create(plugin.options.parse(written), solverDependencies({ dns, secret: async () => new Secret(key) }));
}

describeDnsSolver("powerdns, the real server", async () => ({
  zone: ZONE,
  solver: ({ dns }) => solver(dns as ReturnType<typeof memoryDns>),
  values: (name) => server.txt(name),
  occupy: (name, value) => server.add(ZONE, name, value),
  // One server for all: each test cleans up its own names.
  [Symbol.asyncDispose]: async () => undefined,
}));

describe("solver powerdns says, of the real server", () => {
  const failure = (name: string, key?: string): Promise<unknown> =>
    solver(memoryDns(), key)
      .present(challengeOf(name), AbortSignal.timeout(30_000))
      .catch((thrown: unknown) => thrown);

  it("that the key is wrong", async () => {
    const wrong = "another-Secret-that-is-wrong";
    const error = await failure(`www.${ZONE}`, wrong);
    expect(error).toMatchObject({ code: "dns.credentials", message: expect.not.stringContaining(wrong) });
  });

  it.each([
    ["it does not have the zone", "www.elsewhere.example"],
    ["it only copies the zone from elsewhere", `www.${SECONDARY}`],
  ])("that %s", async (_, name) => {
    expect(await failure(name)).toMatchObject({ code: "dns.noZone" });
  });
});
