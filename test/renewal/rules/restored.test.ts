import { describe, expect, it } from "vitest";
import type { Observation, ServedCertificate } from "../../../src/domain/endpoint.ts";
import { isNewer } from "../../../src/renewal/rules/restored.ts";
import { NOW, version } from "../../support/model/facts.ts";

const VERSION = version();
const KNOWN = new Set([VERSION.leaf.fingerprint]);

function seen(patch: Partial<ServedCertificate>, code: string): Observation {
  const served = {
    ...{ fingerprint: "dd".repeat(32), serial: "0B", subjectAltNames: ["www.example.org"], chain: [] },
    ...{ issuer: VERSION.leaf.issuerName, notBefore: VERSION.leaf.notBefore + 1, notAfter: NOW, ...patch },
  };
  const problem = { code, message: "another certificate" };
  return { address: "::1", port: 443, sni: "www.example.org", at: NOW, durationMs: 1, served, problem };
}

describe("a certificate that an endpoint serves", () => {
  it.each([
    ["a later one for this name", seen({}, "verify.stale"), true],
    ["a later one among several", seen({}, "verify.mixed"), true],
    ["an earlier one", seen({ notBefore: VERSION.leaf.notBefore - 1 }, "verify.stale"), false],
    ["a known one", seen({ fingerprint: VERSION.leaf.fingerprint }, "verify.stale"), false],
    ["another name's", seen({ subjectAltNames: ["x.example.org"] }, "verify.wrongCertificate"), false],
    ["another name's among several", seen({ subjectAltNames: ["x.example.org"] }, "verify.mixed"), false],
  ])("is newer than all the database knows, or not: %s", (_, observation, newer) => {
    expect(isNewer(observation, VERSION, KNOWN)).toBe(newer);
  });
});
