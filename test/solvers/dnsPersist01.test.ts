import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { persistValue, type StandingAccount } from "../../src/domain/dnsPersist.ts";
import type { ChallengeResponse, Solver } from "../../src/domain/issuer.ts";
import { dnsPersist01 } from "../../src/solvers/dnsPersist01.ts";
import { type NameServer, startNameServer, type TestRecord } from "../support/dns/nameServer.ts";

const ACCOUNT: StandingAccount = {
  issuerDomainNames: ["ca.example"],
  accountUrl: "https://ca.example/acct/7",
  keyThumbprint: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
  accountHashPrefix: null,
};
const WWW = { domain: "www.example.org", wildcard: false };
const PLACE = "_validation-persist.www.example.org";
const ZONE: readonly TestRecord[] = [
  { name: "example.org", type: "NS", data: "ns1.example.org" },
  { name: "example.org", type: "NS", data: "ns2.example.org" },
  { name: "ns1.example.org", type: "A", data: "127.0.0.1" },
  { name: "ns2.example.org", type: "A", data: "127.0.0.2" },
  { name: "www.example.org", type: "A", data: "127.0.0.1" },
];

let first: NameServer;
let second: NameServer;
let solver: Solver;
beforeEach(async () => {
  first = await startNameServer(["example.org"], ZONE);
  second = await startNameServer(["example.org"], ZONE, { address: "127.0.0.2", port: first.port });
  solver = dnsPersist01.create(
    { experimental: true, resolvers: [{ kind: "dns", address: "127.0.0.1", port: first.port }] },
    { now: Date.now, dnsPort: first.port },
  );
});
afterEach(() => Promise.all([first, second].map((server) => server[Symbol.asyncDispose]())));

const signal = (): AbortSignal => AbortSignal.timeout(10_000);
const publish = (name: string, value: string, at: readonly NameServer[] = [first, second]): void => {
  for (const server of at) server.records.push({ name, type: "TXT", data: value });
};
const challenge = (wildcard = false): ChallengeResponse => ({
  identifier: { type: "dns", value: WWW.domain },
  ...{ token: "", keyAuthorization: "", standing: { account: ACCOUNT, wildcard } },
});

describe("solver dns-persist-01", () => {
  it("publishes and removes nothing; a record at every name server makes it ready", async () => {
    publish(PLACE, persistValue(ACCOUNT, WWW));
    await solver.present(challenge(), signal());
    expect(await solver.readiness?.(challenge(), signal())).toEqual({ ready: true, note: null });
    await solver.cleanUp(challenge(), signal());
    expect(first.txt(PLACE)).toEqual([persistValue(ACCOUNT, WWW)]);
  });

  it("names the server that lacks the record before the CA is asked", async () => {
    publish(PLACE, persistValue(ACCOUNT, WWW), [first]);
    await expect(solver.readiness?.(challenge(), signal())).rejects.toMatchObject({
      code: "dns.persist",
      message: expect.stringMatching(/_validation-persist\.www\.example\.org: ns2\.example\.org .*has no TXT record/),
    });
  });

  it("refuses a record that is for no wildcard, and one of another account", async () => {
    publish(PLACE, persistValue(ACCOUNT, WWW));
    await expect(solver.readiness?.(challenge(true), signal())).rejects.toMatchObject({ code: "dns.persist" });
    first.records = [...ZONE];
    second.records = [...ZONE];
    publish(PLACE, "ca.example; accounturi=https://ca.example/acct/8");
    await expect(solver.standing?.(WWW, ACCOUNT, signal())).resolves.toMatchObject({
      ...{ kind: "wrong", why: expect.stringContaining("for account https://ca.example/acct/8") },
    });
  });

  it("follows aliases, and reads a value of several strings", async () => {
    const long = `ca.example; accounturi=${ACCOUNT.accountUrl}; x=${"y".repeat(300)}`;
    for (const { records } of [first, second])
      records.push(
        { name: PLACE, type: "CNAME", data: "p.example.org" },
        { name: "p.example.org", type: "TXT", data: [long.slice(0, 255), long.slice(255)] },
      );
    expect(await solver.standing?.(WWW, ACCOUNT, signal())).toMatchObject({ kind: "valid" });
  });

  it("takes the record of a parent for what it is: some CAs accept it", async () => {
    publish("_validation-persist.example.org", persistValue(ACCOUNT, { domain: "example.org", wildcard: true }));
    expect(await solver.readiness?.(challenge(), signal())).toEqual({
      ready: true,
      note: expect.stringContaining("the one of example.org covers it at some CAs"),
    });
  });

  it("does not block where name servers cannot be reached from here", async () => {
    publish(PLACE, persistValue(ACCOUNT, WWW));
    // Nobody listens there.
    for (const { records } of [first, second])
      records.push(
        { name: "example.org", type: "NS", data: "ns3.example.org" },
        { name: "ns3.example.org", type: "A", data: "127.0.0.3" },
      );
    expect(await solver.readiness?.(challenge(), signal())).toMatchObject({
      ...{ ready: true, note: expect.stringContaining("ns3.example.org") },
    });
  });

  it("answers no challenge that has a token", async () => {
    const other = { ...challenge(), token: "abc", keyAuthorization: "abc.def" };
    await expect(solver.present(other, signal())).rejects.toMatchObject({ code: "solver.failed" });
  });
});

it("is configured by people who know that it is a draft", () => {
  const { error } = dnsPersist01.options.safeParse({});
  expect(error?.issues[0]?.message).toContain("`experimental: true` says that you know");
});
