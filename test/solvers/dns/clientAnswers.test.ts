import { expect, it } from "vitest";
import type { ClientAnswer } from "../../../src/domain/dnsRecord.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { Solver } from "../../../src/domain/issuer.ts";
import { challengeValue } from "../../../src/solvers/dns/challenge.ts";
import { dnsSolver } from "../../../src/solvers/dns/solver.ts";
import { challengeOf } from "../../conformance/dnsProvider.ts";
import { memoryDns, solverDependencies } from "../../support/dns/dependencies.ts";
import { type NameServer, startNameServer } from "../../support/dns/nameServer.ts";
import { type MemoryProvider, memoryProvider } from "../../support/dns/provider.ts";

const ZONE = "example.org";
const NAME = `_acme-challenge.www.${ZONE}`;
const signal = (): AbortSignal => new AbortController().signal;
const answer = (change: Partial<ClientAnswer> = {}): ClientAnswer => ({
  ...{ client: "lego", name: NAME, value: "V".repeat(43), keyAuthorization: null, mayPublish: () => false },
  ...change,
});

function bench(provider: MemoryProvider = memoryProvider("rrset", [{ id: "z", name: ZONE }]), server?: NameServer) {
  const dns = memoryDns();
  const options =
    server === undefined
      ? { follow: "never" }
      : { resolvers: [{ kind: "dns" as const, address: server.address, port: server.port }] };
  const solver: Solver = dnsSolver(provider.kind).create(options, solverDependencies({ dns }));
  const clients = solver.dns?.forClients;
  if (clients === undefined) throw new Error("it publishes for no clients");
  return { provider, dns, solver, clients };
}

it("keeps a value of renewd's own order that a client has found in DNS and asks to remove", async () => {
  const { provider, dns, solver, clients } = bench();
  const own = challengeOf(`www.${ZONE}`);
  await solver.present(own, signal());
  const stolen = answer({ value: challengeValue(own) });
  expect(await clients.withdraw(stolen, signal())).toBe(false);
  await clients.publish(stolen, signal());
  expect(await clients.withdraw(stolen, signal())).toBe(true);
  expect(provider.values(NAME)).toEqual([challengeValue(own)]);
  await solver.cleanUp(own, signal());
  expect([provider.values(NAME), dns.rows.size]).toEqual([[], 0]);
});

it("has a row before the provider is asked, and gives the row to clean-up when the provider fails", async () => {
  const { provider, dns, solver, clients } = bench();
  provider.afterChange = () => {
    expect([...dns.rows.values()]).toMatchObject([{ client: "lego", state: "publishing" }]);
    throw new RenewalError("dns.unreachable", "the answer was lost");
  };
  await expect(clients.publish(answer(), signal())).rejects.toMatchObject({ code: "dns.unreachable" });
  expect(provider.values(NAME)).toEqual(["V".repeat(43)]);
  provider.afterChange = () => undefined;
  for (const row of await dns.records.leftovers(Date.now(), 9)) await solver.dns?.withdraw(row, signal());
  expect([provider.values(NAME), dns.rows.size]).toEqual([[], 0]);
});

it("publishes for clients and for renewd at one name, and each removes its own", async () => {
  const { provider, solver, clients } = bench();
  const own = challengeOf(`www.${ZONE}`);
  await Promise.all([solver.present(own, signal()), clients.publish(answer(), signal())]);
  expect(provider.values(NAME).toSorted()).toEqual([challengeValue(own), "V".repeat(43)].toSorted());
  await clients.withdraw(answer(), signal());
  expect(provider.values(NAME)).toEqual([challengeValue(own)]);
});

it("makes a client wait for its turn where a provider takes one challenge at a time", async () => {
  const { provider, solver, clients } = bench(
    memoryProvider("record", [{ id: "z", name: ZONE }], { sequential: true }),
  );
  const own = challengeOf(`other.${ZONE}`);
  await solver.present(own, signal());
  await expect(clients.publish(answer(), signal())).rejects.toMatchObject({ code: "dns.busy" });
  await solver.cleanUp(own, signal());
  await clients.publish(answer(), signal());
  expect(provider.values(NAME)).toEqual(["V".repeat(43)]);
});

it("says that a solver in RAW mode needs what only clients in RAW mode send", async () => {
  const provider = memoryProvider("blind", [{ id: "z", name: ZONE }]);
  const raw: MemoryProvider = {
    ...provider,
    kind: {
      ...provider.kind,
      create(options, dependencies) {
        const made = provider.kind.create(options, dependencies);
        return made.txt.model === "record" ? { ...made, txt: { ...made.txt, takesKeyAuthorization: true } } : made;
      },
    },
  };
  const { dns, clients } = bench(raw);
  await expect(clients.publish(answer(), signal())).rejects.toMatchObject({
    code: "dns.refused",
    message: expect.stringContaining("RAW"),
  });
  expect(dns.rows.size).toBe(0);
  await clients.publish(answer({ keyAuthorization: "token.thumbprint" }), signal());
  expect([...dns.rows.values()]).toMatchObject([{ providerId: "token.thumbprint" }]);
});

it("follows a CNAME only where the client may publish, so that it leads out of nothing", async () => {
  const bank = `_acme-challenge.bank.${ZONE}`;
  await using server = await startNameServer(
    [ZONE],
    [
      { name: ZONE, type: "NS", data: "ns1.example.org" },
      { name: NAME, type: "CNAME", data: bank },
    ],
  );
  const { provider, dns, clients } = bench(memoryProvider("rrset", [{ id: "z", name: ZONE }]), server);
  await expect(clients.publish(answer(), signal())).rejects.toMatchObject({
    code: "dns.delegation",
    message: expect.stringContaining(bank),
  });
  expect([provider.values(bank), dns.rows.size]).toEqual([[], 0]);
  await clients.publish(answer({ mayPublish: (name) => name === bank }), signal());
  expect(provider.values(bank)).toEqual(["V".repeat(43)]);
});

it("holds a bounded number of values for one client", async () => {
  const { dns, clients } = bench();
  for (let i = 0; i < 200; i++) await clients.publish(answer({ value: String(i).padStart(43, "0") }), signal());
  await expect(clients.publish(answer(), signal())).rejects.toMatchObject({ code: "dns.busy" });
  expect(dns.rows.size).toBe(200);
  await clients.publish(answer({ client: "other" }), signal());
});

it("is cancelled before it changes anything", async () => {
  const { provider, dns, clients } = bench();
  const reason = new Error("stop");
  await expect(clients.publish(answer(), AbortSignal.abort(reason))).rejects.toBe(reason);
  await expect(clients.withdraw(answer(), AbortSignal.abort(reason))).rejects.toBe(reason);
  expect([provider.values(NAME), dns.rows.size]).toEqual([[], 0]);
});
