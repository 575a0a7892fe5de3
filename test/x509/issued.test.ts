import { beforeAll, describe, expect, it } from "vitest";
import type { Identifier } from "../../src/domain/identifier.ts";
import { Secret } from "../../src/domain/secret.ts";
import { type Delivered, issuedChains, withoutRoot } from "../../src/x509/issued.ts";
import { type Authority, createRoot, type IssuedPair, newKeyPem } from "../support/ca/pki.ts";
import { identifierOf } from "../support/identifier.ts";

const NOW = Date.parse("2026-11-22T12:00:00Z");
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const at = (offsetMs: number): Date => new Date(NOW + offsetMs);
const CA_DATES = { notBefore: at(-100 * DAY_MS), notAfter: at(1000 * DAY_MS) };
const LEAF_DATES = { notBefore: at(-DAY_MS), notAfter: at(89 * DAY_MS) };

let root: Authority;
let upper: Authority;
let lower: Authority;
let leaf: IssuedPair;

beforeAll(async () => {
  root = await createRoot(CA_DATES);
  upper = await root.intermediate({ ...CA_DATES, name: "Upper CA" });
  lower = await upper.intermediate({ ...CA_DATES, name: "Lower CA" });
  leaf = await lower.issue({ ...LEAF_DATES, names: ["a.example", "b.example"] });
});

function names(...values: string[]): Identifier[] {
  return values.map(identifierOf);
}

function delivered(change: Partial<Delivered> = {}): Delivered {
  return {
    certificates: [leaf.certPem, lower.certPem, upper.certPem],
    privateKey: new Secret(leaf.keyPem),
    identifiers: names("b.example", "a.example"),
    now: NOW,
    ...change,
  };
}

function refusal(change: Partial<Delivered>): string {
  try {
    issuedChains(delivered(change));
  } catch (error) {
    expect(error).toMatchObject({ name: "RenewalError", code: "acme.badCertificate" });
    return String(error);
  }
  return "accepted";
}

/** The first chain found, as places in what was delivered. */
function chainOf(certificates: readonly string[]): readonly number[] {
  const [found] = issuedChains(delivered({ certificates }));
  return [found?.leafPem ?? "", ...(found?.chainPem ?? [])].map((pem) => certificates.indexOf(pem));
}

describe("what a CA delivered", () => {
  it("is accepted when key, names, chain and dates are right, with and without the root", () => {
    expect(chainOf([leaf.certPem, lower.certPem, upper.certPem])).toEqual([0, 1, 2]);
    expect(chainOf([leaf.certPem, lower.certPem, upper.certPem, root.certPem])).toEqual([0, 1, 2, 3]);
  });

  it("is searched for its chain: repeated, foreign and expired certificates are left out, in any order", async () => {
    const expired = await root.intermediate({ name: "Old CA", notBefore: at(-20 * DAY_MS), notAfter: at(-DAY_MS) });
    const foreign = await (await createRoot(CA_DATES)).intermediate(CA_DATES);
    expect(chainOf([leaf.certPem, leaf.certPem, lower.certPem, upper.certPem])).toEqual([0, 2, 3]);
    expect(chainOf([leaf.certPem, lower.certPem, lower.certPem, upper.certPem])).toEqual([0, 1, 3]);
    expect(chainOf([leaf.certPem, lower.certPem, expired.certPem, upper.certPem])).toEqual([0, 1, 3]);
    expect(chainOf([leaf.certPem, foreign.certPem, lower.certPem, upper.certPem])).toEqual([0, 2, 3]);
    expect(chainOf([upper.certPem, lower.certPem, leaf.certPem])).toEqual([2, 1, 0]);
    expect(chainOf([leaf.certPem, "rubbish", lower.certPem, upper.certPem])).toEqual([0, 2, 3]);
  });

  it("with an expired and a valid certificate of one issuer gets the valid one", async () => {
    const old = await root.intermediate({ name: "Crossed CA", notBefore: at(-20 * DAY_MS), notAfter: at(-DAY_MS) });
    const renewed = await root.intermediate({ ...CA_DATES, name: "Crossed CA", keyPem: old.keyPem });
    const pair = await old.issue({ ...LEAF_DATES, names: ["a.example", "b.example"] });
    const certificates = [pair.certPem, old.certPem, renewed.certPem];
    const [found] = issuedChains(delivered({ certificates, privateKey: new Secret(pair.keyPem) }));
    expect(found?.chainPem).toEqual([renewed.certPem]);
  });

  it("with two ways to a root gives both, the CA's first choice first", async () => {
    const other = await createRoot(CA_DATES);
    const crossed = await other.intermediate({ ...CA_DATES, name: "Upper CA", keyPem: upper.keyPem });
    const certificates = [leaf.certPem, lower.certPem, crossed.certPem, upper.certPem];
    expect(issuedChains(delivered({ certificates })).map(({ chainPem }) => chainPem[1])).toEqual([
      crossed.certPem,
      upper.certPem,
    ]);
  });

  it("from CAs that have no name is no bug of renewd", async () => {
    const nameless = await createRoot({ ...CA_DATES, name: "" });
    const pair = await nameless.issue({ ...LEAF_DATES, names: ["a.example", "b.example"] });
    const change = { certificates: [pair.certPem, pair.certPem], privateKey: new Secret(pair.keyPem) };
    expect(refusal(change)).toContain("the certificate of its issuer without a name is missing");
    expect(refusal({ ...change, certificates: [pair.certPem, nameless.certPem] })).toBe("accepted");
  });

  it("is refused for another key", () => {
    expect(refusal({ privateKey: new Secret(newKeyPem("ecdsa-p256")) })).toContain("issued for another key");
  });

  it("is refused when a requested name is missing, and the message names it", () => {
    expect(refusal({ identifiers: names("a.example", "b.example", "c.example") })).toContain(
      "lacks the requested name c.example",
    );
  });

  it("is refused when it holds a name nobody requested", () => {
    expect(refusal({ identifiers: names("a.example") })).toContain("holds name b.example, which nobody requested");
  });

  it("compares IPv6 addresses whatever their spelling", async () => {
    const pair = await lower.issue({ ...LEAF_DATES, names: ["2001:db8::1"] });
    const change = {
      certificates: [pair.certPem, lower.certPem, upper.certPem],
      privateKey: new Secret(pair.keyPem),
      identifiers: [{ type: "ip", value: "2001:0DB8:0:0:0:0:0:1" }],
    } as const;
    expect(issuedChains(delivered(change))[0]?.leaf.serial).toMatch(/^7F/);
  });

  it.each([
    ["without any intermediate", () => [], "the chain is incomplete"],
    ["with its first intermediate cut off", () => [upper.certPem], 'issuer "CN=Lower CA" is missing'],
    [
      "with a gap in the chain",
      () => [lower.certPem, root.certPem],
      'a gap: the certificate of "CN=Upper CA", which issued "CN=Lower CA", is missing',
    ],
    ["with nothing but rubbish after it", () => ["rubbish"], "the certificate at place 2 cannot be read"],
    ["with more certificates than any CA has", () => Array(50).fill(lower.certPem), "51 certificates"],
  ])("is refused %s", (_case, chain, message) => {
    expect(refusal({ certificates: [leaf.certPem, ...chain()] })).toContain(message);
  });

  it("is refused when an issuer of the right name did not sign it", async () => {
    const impostor = await upper.intermediate({ ...CA_DATES, name: "Lower CA" });
    expect(refusal({ certificates: [leaf.certPem, impostor.certPem, upper.certPem] })).toContain("did not sign");
  });

  it("is refused when its issuer is no CA", async () => {
    const pretender = await upper.issue({ ...CA_DATES, names: ["Lower CA"], keyPem: lower.keyPem });
    expect(refusal({ certificates: [leaf.certPem, pretender.certPem, upper.certPem] })).toContain(
      "is no CA certificate",
    );
  });

  it.each([
    ["expired", { notBefore: at(-2 * DAY_MS), notAfter: at(-1000) }, "it expired at 2026-11-22T11:59:59.000Z"],
    [
      "ahead of our clock",
      { notBefore: at(6 * MINUTE_MS), notAfter: at(DAY_MS) },
      "it is not valid before 2026-11-22T12:06:00.000Z",
    ],
  ])("is refused when %s", async (_case, dates, message) => {
    const pair = await lower.issue({ ...dates, names: ["a.example", "b.example"] });
    const certificates = [pair.certPem, lower.certPem, upper.certPem];
    expect(refusal({ certificates, privateKey: new Secret(pair.keyPem) })).toContain(message);
  });

  it("is accepted from a CA whose clock is a little ahead", async () => {
    const pair = await lower.issue({
      notBefore: at(4 * MINUTE_MS),
      notAfter: at(DAY_MS),
      names: ["a.example", "b.example"],
    });
    const certificates = [pair.certPem, lower.certPem, upper.certPem];
    const [found] = issuedChains(delivered({ certificates, privateKey: new Secret(pair.keyPem) }));
    expect(found?.leaf.notBefore).toBe(NOW + 4 * MINUTE_MS);
  });

  it("is refused below an expired intermediate", async () => {
    const stale = await root.intermediate({ name: "Stale CA", notBefore: at(-20 * DAY_MS), notAfter: at(-DAY_MS) });
    const pair = await stale.issue({ ...LEAF_DATES, names: ["a.example", "b.example"] });
    const change = { certificates: [pair.certPem, stale.certPem], privateKey: new Secret(pair.keyPem) };
    expect(refusal(change)).toContain('certificate at place 2 ("CN=Stale CA") expired at 2026-11-21T12:00:00.000Z');
  });

  it("loses only its root before it is stored", () => {
    expect(withoutRoot([lower.certPem, upper.certPem, root.certPem])).toEqual([lower.certPem, upper.certPem]);
  });
});
