import { X509Certificate } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createIssuer } from "../../src/acme/issuer.ts";
import type { Accounts, Solver } from "../../src/domain/issuer.ts";
import { generateKey } from "../../src/x509/key.ts";
import { splitPem } from "../../src/x509/pem.ts";
import { named } from "../support/dns/dependencies.ts";
import { memoryAccounts, memoryProgress } from "../support/model/orderMemory.ts";
import { type CaFixture, issuerOptions, request, running, startCa } from "./caFixture.ts";

const DAY_S = 86_400;

let ca: CaFixture;
/** The default root and its alternates. */
let roots: X509Certificate[];
beforeAll(async () => {
  ca = await startCa({
    version: "2.10",
    profiles: { shortlived: 6 * DAY_S },
    env: { PEBBLE_ALTERNATE_ROOTS: "2", PEBBLE_CHAIN_LENGTH: "2" },
  });
  roots = (await Promise.all([0, 1, 2].map((index) => ca.pebble.rootPem(index)))).map(
    (pem) => new X509Certificate(splitPem(pem)[0] ?? ""),
  );
});
afterAll(() => ca[Symbol.asyncDispose]());

const orders = (): number => ca.proxy.count("newOrder");
const commonName = (index: number): string => /CN=(.*)/.exec(roots[index]?.subject ?? "")?.[1] ?? "";

describe("a profile", () => {
  it("decides what the CA issues", async () => {
    const { leaf } = await ca
      .issuer()
      .issue({ ...request(), profile: "shortlived" }, memoryProgress(), ca.solvers, running());
    expect(Math.round((leaf.notAfter - leaf.notBefore) / 1_000 / DAY_S)).toBe(6);
  });

  it("that the CA does not offer is refused before anything is ordered, with what there is", async () => {
    const before = orders();
    const attempt = ca.issuer().issue({ ...request(), profile: "shortlifed" }, memoryProgress(), ca.solvers, running());
    await expect(attempt).rejects.toMatchObject({
      code: "acme.profile",
      message: 'CA "pebble" offers no profile "shortlifed"; it offers default, shortlived.',
    });
    expect(orders()).toBe(before);
  });

  it.each([
    ["by its type", { type: "invalidProfile", subproblems: [] }],
    [
      "by a subproblem",
      {
        type: "malformed",
        subproblems: [{ type: "urn:ietf:params:acme:error:invalidProfile", detail: "not for you" }],
      },
    ],
  ])(
    "that the CA refuses %s is named, and the order is not mistaken for one that cannot replace",
    async (_how, { type, subproblems }) => {
      const { leafPem } = await ca.issuer().issue(request(), memoryProgress(), ca.solvers, running());
      const body = JSON.stringify({ type: `urn:ietf:params:acme:error:${type}`, detail: "no such thing", subproblems });
      ca.proxy.intercept = async ({ resource }) =>
        resource === "newOrder" ? { status: 400, headers: {}, body } : null;
      const before = orders();
      const error = await ca
        .issuer()
        .issue({ ...request(), profile: "shortlived", replaces: leafPem }, memoryProgress(), ca.solvers, running())
        .catch((thrown: unknown) => thrown);
      ca.proxy.intercept = null;
      expect(error).toMatchObject({
        code: "acme.profile",
        message: expect.stringMatching(/no such thing.*the certificate's `profile` is "shortlived"/),
      });
      expect(orders() - before).toBe(1);
    },
  );

  it("at a CA without profiles is refused as well", async () => {
    await using old = await startCa();
    const attempt = old
      .issuer()
      .issue({ ...request(), profile: "shortlived" }, memoryProgress(), old.solvers, running());
    await expect(attempt).rejects.toMatchObject({
      code: "acme.profile",
      message: expect.stringContaining("it offers none at all"),
    });
  });
});

describe("a CA that could be turned to", () => {
  const ask = (fixture: CaFixture, profile: string | null) =>
    fixture.issuer().eligibility?.({ ...request(), profile }, fixture.solvers, running());

  it("has to offer the profile", async () => {
    expect(await ask(ca, "shortlived")).toMatchObject({ obstacle: null });
    expect(await ask(ca, "shortlifed")).toMatchObject({
      obstacle: 'it offers no profile "shortlifed", only default, shortlived',
    });
    await using old = await startCa();
    expect(await ask(old, "shortlived")).toMatchObject({
      obstacle: 'it offers no profile "shortlived", only none at all',
    });
    expect(await ask(old, null)).toMatchObject({ obstacle: null });
  });
});

describe("a CA that CAA records permit only to one account", () => {
  it("can be turned to with that account, and with no other", async () => {
    await ca.issuer().issue(request(), memoryProgress(), ca.solvers, running());
    const [account] = ca.accounts.stored.values();
    ca.proxy.intercept = async ({ resource }, forward) => {
      const answer = await forward();
      if (resource !== "directory") return answer;
      const { meta, ...urls } = JSON.parse(answer.body);
      return { ...answer, body: JSON.stringify({ ...urls, meta: { ...meta, caaIdentities: ["ca.example"] } }) };
    };
    const caa = async () => [
      { critical: false, tag: "issue", value: `ca.example; accounturi=${account?.url}; validationmethods=http-01` },
    ];
    const ask = (accounts: Accounts, solver: Solver) =>
      createIssuer(issuerOptions(ca.proxy), { accounts, now: Date.now, caa }).eligibility?.(
        request(),
        [named(solver)],
        running(),
      );
    expect(await ask(ca.accounts, ca.solver)).toMatchObject({ obstacle: null, notes: [] });
    expect(await ask(memoryAccounts(), ca.solver)).toMatchObject({
      obstacle: expect.stringContaining("permits ca.example only to account"),
    });
    expect(await ask(ca.accounts, { ...ca.solver, challengeType: "dns-01" })).toMatchObject({
      obstacle: expect.stringContaining("only by http-01"),
    });
    ca.proxy.intercept = null;
  });
});

describe("a preferred chain", () => {
  it.each([0, 1, 2])("is found by its root's common name (root %i)", async (index) => {
    const progress = memoryProgress();
    const result = await ca
      .issuer()
      .issue({ ...request(), preferredChain: commonName(index) }, progress, ca.solvers, running());
    const root = roots[index];
    expect(root && new X509Certificate(result.chainPem.at(-1) ?? "").verify(root.publicKey)).toBe(true);
    expect(result.chainPem).toHaveLength(2);
    expect(progress.events.map(({ type }) => type)).not.toContain("order.chainUnavailable");
  });

  it("is found by the SHA-256 fingerprint of a certificate in it, with or without colons", async () => {
    const other = await ca
      .issuer()
      .issue({ ...request(), preferredChain: commonName(1) }, memoryProgress(), ca.solvers, running());
    const { fingerprint256 } = new X509Certificate(other.chainPem.at(-1) ?? "");
    for (const wanted of [fingerprint256, fingerprint256.replaceAll(":", "").toLowerCase()]) {
      const result = await ca
        .issuer()
        .issue({ ...request(), preferredChain: wanted }, memoryProgress(), ca.solvers, running());
      expect(new X509Certificate(result.chainPem.at(-1) ?? "").fingerprint256).toBe(fingerprint256);
    }
  });

  it("that is not offered gives the CA's first chain, and history says what there was", async () => {
    const progress = memoryProgress();
    const result = await ca
      .issuer()
      .issue({ ...request(), preferredChain: "DST Root CA X3" }, progress, ca.solvers, running());
    expect(roots[0] && new X509Certificate(result.chainPem.at(-1) ?? "").verify(roots[0].publicKey)).toBe(true);
    expect(progress.events.at(-1)).toEqual({
      type: "order.chainUnavailable",
      detail: { preferred: "DST Root CA X3", offered: [0, 1, 2].map(commonName).join(", ") },
    });
  });

  it("is not sought outside the CA's origin, and a broken alternate is passed over", async () => {
    const elsewhere = '<https://elsewhere.example/chain>;rel="alternate", <https://127.0.0.1:1/x>;rel="alternate"';
    ca.proxy.intercept = async ({ path }, forward) => {
      const answer = await forward();
      return path.includes("certZ") ? { ...answer, headers: { ...answer.headers, link: elsewhere } } : answer;
    };
    const progress = memoryProgress();
    await ca.issuer().issue({ ...request(), preferredChain: commonName(1) }, progress, ca.solvers, running());
    ca.proxy.intercept = null;
    expect(progress.events.at(-1)?.type).toBe("order.chainUnavailable");
  });
});

describe("identifiers and keys", () => {
  it("may be IP addresses, beside names", async () => {
    const wanted = request(["127.0.0.1", "with-address.example.org"]);
    const { leaf } = await ca.issuer().issue(wanted, memoryProgress(), ca.solvers, running());
    expect(leaf.identifiers).toEqual(expect.arrayContaining([...wanted.identifiers]));
    expect(leaf.identifiers).toHaveLength(2);
  });

  it("a given key is certified instead of a new one", async () => {
    const privateKey = await generateKey("ecdsa-p256");
    const wanted = { ...request(), privateKey };
    const first = await ca.issuer().issue(wanted, memoryProgress(), ca.solvers, running());
    const second = await ca
      .issuer()
      .issue({ ...wanted, privateKey: first.privateKey }, memoryProgress(), ca.solvers, running());
    expect(second.privateKey.reveal()).toBe(privateKey.reveal());
    expect(second.leaf.serial).not.toBe(first.leaf.serial);
  });
});
