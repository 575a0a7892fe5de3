import { beforeAll, describe, expect, it } from "vitest";
import type { Identifier } from "../../src/domain/identifier.ts";
import { Secret } from "../../src/domain/secret.ts";
import { checkIssued, type Issued, withoutRoot } from "../../src/x509/issued.ts";
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

function issued(change: Partial<Issued> = {}): Issued {
  return {
    leafPem: leaf.certPem,
    chainPem: [lower.certPem, upper.certPem],
    privateKey: new Secret(leaf.keyPem),
    identifiers: names("b.example", "a.example"),
    now: NOW,
    ...change,
  };
}

function refusal(change: Partial<Issued>): string {
  try {
    checkIssued(issued(change));
  } catch (error) {
    expect(error).toMatchObject({ name: "RenewalError", code: "acme.badCertificate" });
    return String(error);
  }
  return "accepted";
}

describe("what a CA delivered", () => {
  it("is accepted when key, names, chain and dates are right, with and without the root", () => {
    expect(checkIssued(issued()).identifiers).toHaveLength(2);
    expect(checkIssued(issued({ chainPem: [lower.certPem, upper.certPem, root.certPem] })).identifiers).toHaveLength(2);
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
      leafPem: pair.certPem,
      privateKey: new Secret(pair.keyPem),
      identifiers: [{ type: "ip", value: "2001:0DB8:0:0:0:0:0:1" }],
    } as const;
    expect(checkIssued(issued(change)).serial).toMatch(/^7F/);
  });

  it.each([
    ["without any intermediate", () => [], "the chain is incomplete"],
    ["with its first intermediate cut off", () => [upper.certPem], "the chain is not in order: chain certificate 1"],
    ["with its chain reversed", () => [upper.certPem, lower.certPem], "the chain is not in order: chain certificate 1"],
    ["with a gap in the chain", () => [lower.certPem, root.certPem], "the chain is not in order: chain certificate 2"],
    [
      "with a chain certificate that cannot be read",
      () => [lower.certPem, "rubbish"],
      "chain certificate 2 cannot be read",
    ],
  ])("is refused %s", (_case, chain, message) => {
    expect(refusal({ chainPem: chain() })).toContain(message);
  });

  it("is refused when an issuer of the right name did not sign it", async () => {
    const impostor = await upper.intermediate({ ...CA_DATES, name: "Lower CA" });
    expect(refusal({ chainPem: [impostor.certPem, upper.certPem] })).toContain("did not sign");
  });

  it("is refused when its issuer is no CA", async () => {
    const pretender = await upper.issue({ ...CA_DATES, names: ["Lower CA"], keyPem: lower.keyPem });
    expect(refusal({ chainPem: [pretender.certPem, upper.certPem] })).toMatch(/is no CA certificate|is not the issuer/);
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
    expect(refusal({ leafPem: pair.certPem, privateKey: new Secret(pair.keyPem) })).toContain(message);
  });

  it("is accepted from a CA whose clock is a little ahead", async () => {
    const pair = await lower.issue({
      notBefore: at(4 * MINUTE_MS),
      notAfter: at(DAY_MS),
      names: ["a.example", "b.example"],
    });
    expect(checkIssued(issued({ leafPem: pair.certPem, privateKey: new Secret(pair.keyPem) })).notBefore).toBe(
      NOW + 4 * MINUTE_MS,
    );
  });

  it("is refused below an expired intermediate", async () => {
    const stale = await root.intermediate({ name: "Stale CA", notBefore: at(-20 * DAY_MS), notAfter: at(-DAY_MS) });
    const pair = await stale.issue({ ...LEAF_DATES, names: ["a.example", "b.example"] });
    const change = { leafPem: pair.certPem, chainPem: [stale.certPem], privateKey: new Secret(pair.keyPem) };
    expect(refusal(change)).toContain('chain certificate 1 ("CN=Stale CA") expired at 2026-11-21T12:00:00.000Z');
  });

  it("loses only its root before it is stored", () => {
    expect(withoutRoot([lower.certPem, upper.certPem, root.certPem])).toEqual([lower.certPem, upper.certPem]);
  });
});
