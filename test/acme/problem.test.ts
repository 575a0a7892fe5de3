import { describe, expect, it } from "vitest";
import { describeProblem, hasProblemType, problemOf, refusalError, validationError } from "../../src/acme/problem.ts";
import { RenewalError } from "../../src/domain/errors.ts";

const NOW = Date.parse("2026-11-22T12:00:00Z");
const urn = (name: string): string => `urn:ietf:params:acme:error:${name}`;

function refusal(status: number, body: unknown, headers: Record<string, string> = {}) {
  const url = "https://ca.example/acme/new-order";
  return refusalError({ what: 'CA "x" refused to open an order', url, status, headers, body, now: NOW });
}

describe("the problem a CA answers a request with", () => {
  it.each([
    ["accountDoesNotExist", "acme.account"],
    ["alreadyRevoked", "acme.refused"],
    ["badCSR", "acme.badCsr"],
    ["badNonce", "acme.server"],
    ["badPublicKey", "acme.badCsr"],
    ["badRevocationReason", "acme.refused"],
    ["badSignatureAlgorithm", "acme.account"],
    ["caa", "acme.caa"],
    ["compound", "acme.refused"],
    ["connection", "acme.challengeConnection"],
    ["dns", "acme.dns"],
    ["externalAccountRequired", "acme.account"],
    ["incorrectResponse", "acme.account"],
    ["invalidContact", "acme.account"],
    ["invalidProfile", "acme.profile"],
    ["malformed", "acme.refused"],
    ["orderNotReady", "acme.server"],
    ["rateLimited", "acme.rateLimited"],
    ["rejectedIdentifier", "acme.rejectedIdentifier"],
    ["serverInternal", "acme.server"],
    ["tls", "acme.challengeConnection"],
    ["unauthorized", "acme.account"],
    ["unsupportedContact", "acme.account"],
    ["unsupportedIdentifier", "acme.rejectedIdentifier"],
    ["userActionRequired", "acme.userAction"],
    ["constructor", "acme.refused"],
  ])("%s (RFC 8555 §6.7) becomes %s and keeps its type", (name, code) => {
    const error = refusal(400, { type: urn(name), detail: "because" });
    expect(error.code).toBe(code);
    expect(error.message).toBe(`CA "x" refused to open an order: because (${name})`);
    expect(hasProblemType(error, name)).toBe(true);
  });

  it.each([
    [429, "acme.rateLimited"],
    [500, "acme.server"],
    [503, "acme.server"],
    [404, "acme.server"],
    [403, "acme.server"],
  ])("status %i without a problem document becomes %s", (status, code) => {
    expect(refusal(status, "<html>").code).toBe(code);
  });

  it("keeps its type although a member that only informs is wrong", () => {
    const wrong = { detail: null, title: 1, status: "429", instance: {}, subproblems: "none" };
    expect(refusal(400, { type: urn("rateLimited"), ...wrong }).code).toBe("acme.rateLimited");
    const part = { type: urn("caa"), detail: null, identifier: null };
    expect(refusal(400, { type: urn("compound"), subproblems: [part] }).code).toBe("acme.caa");
  });

  it("is none of an error of the network or of a reader, whatever members that has", () => {
    const reset = Object.assign(new Error("reset"), { type: urn("rateLimited") });
    for (const cause of [reset, new RenewalError("acme.server", "no order"), null, "text"])
      expect(problemOf(new RenewalError("acme.connection", "Cannot reach the CA", { cause }))).toBeNull();
  });

  it.each([
    ["</terms/v2>", "https://ca.example/terms/v2"],
    ["<../terms.pdf>", "https://ca.example/terms.pdf"],
    ["<https://legal.example/terms>", "https://legal.example/terms"],
  ])("that waits for a person shows the terms linked as %s by a URL to open", (link, shown) => {
    const problem = { type: urn("userActionRequired"), detail: "new terms", instance: "/agree?a=1" };
    expect(refusal(403, problem, { link: `${link};rel="terms-of-service"` }).message).toMatch(
      new RegExp(`visit https://ca\\.example/agree\\?a=1; its terms of service are at ${RegExp.escape(shown)}$`),
    );
  });

  it("status 503 is the CA's own trouble whatever it calls it, and its Retry-After is kept", () => {
    for (const type of ["about:blank", urn("serverInternal"), urn("rateLimited")]) {
      expect(refusal(503, { type }, { "retry-after": "1800" })).toMatchObject({
        code: "acme.server",
        retryAt: NOW + 1_800_000,
      });
    }
  });

  it.each([
    ["3600", NOW + 3600_000],
    ["0", NOW],
    ["Sun, 22 Nov 2026 13:00:00 GMT", NOW + 3600_000],
    ["Sun, 22 Nov 2020 13:00:00 GMT", NOW],
    ["99999999999999999999", NOW + 7 * 86_400_000],
    ["soon", null],
  ])("with Retry-After %s may be tried again at %s", (header, retryAt) => {
    expect(refusal(429, { type: urn("rateLimited") }, { "retry-after": header }).retryAt).toBe(retryAt);
  });

  it("takes the gravest part of a compound problem and names each identifier", () => {
    const error = refusal(403, {
      type: urn("compound"),
      detail: "Errors during validation",
      subproblems: [
        { type: urn("dns"), detail: "NXDOMAIN", identifier: { type: "dns", value: "a.example" } },
        { type: urn("rejectedIdentifier"), detail: "policy", identifier: { type: "dns", value: "b.example" } },
      ],
    });
    expect(error.code).toBe("acme.rejectedIdentifier");
    expect(error.message).toContain("[a.example: NXDOMAIN; b.example: policy]");
  });
});

describe("the problem inside an order or challenge", () => {
  it.each([
    ["unauthorized", "acme.unauthorized"],
    ["incorrectResponse", "acme.unauthorized"],
    ["connection", "acme.challengeConnection"],
    ["dns", "acme.dns"],
    ["caa", "acme.caa"],
    ["tls", "acme.challengeConnection"],
    ["somethingNew", "acme.orderInvalid"],
  ])("%s becomes %s", (name, code) => {
    expect(validationError("It failed", { type: urn(name), detail: "why" }, "acme.orderInvalid").code).toBe(code);
  });

  it("falls back when the CA gave no reason", () => {
    expect(validationError("It failed", undefined, "acme.orderInvalid")).toMatchObject({
      code: "acme.orderInvalid",
      message: "It failed; the CA gave no reason.",
    });
  });

  it("is at most 500 characters, subproblems and all", () => {
    const long = "x".repeat(100_000);
    const subproblems = Array.from({ length: 900 }, () => ({
      type: urn("dns"),
      detail: long,
      identifier: { type: "dns", value: long },
    }));
    const text = describeProblem({ type: long, detail: long, subproblems });
    expect(text.length).toBeLessThanOrEqual(500);
    expect(text).toContain("xxx");
  });
});
