import { describe, expect, it } from "vitest";
import { incompatibilities, narrowed } from "../../../src/renewal/rules/compatibility.ts";
import { certificate, DAY_MS, ISSUED_AT, version } from "../../support/model/facts.ts";

const dns = (value: string) => ({ type: "dns", value }) as const;

describe("what a target cannot take", () => {
  it.each([
    [
      "a key type",
      certificate(),
      { keyTypes: ["rsa-2048", "rsa-4096"] },
      "target lb takes no ecdsa-p256 key, only rsa-2048, rsa-4096",
    ],
    [
      "too many names",
      certificate({ identifiers: [dns("a.example"), dns("b.example")] }),
      { namesMax: 1 },
      "target lb takes at most 1 names, the certificate has 2",
    ],
    [
      "an address",
      certificate({ identifiers: [dns("a.example"), { type: "ip", value: "192.0.2.1" }] }),
      { identifierTypes: ["dns"] },
      "target lb takes no certificate with the IP address 192.0.2.1",
    ],
    [
      "a profile",
      certificate({ profile: "shortlived" }),
      { profiles: ["classic", "tlsserver"] },
      "target lb takes no certificate of profile shortlived, only of classic, tlsserver",
    ],
    [
      "a short life",
      certificate(),
      { lifetimeMinMs: 100 * DAY_MS },
      "target lb takes no certificate valid for less than 100 d; the last one was valid for 90 d",
    ],
  ] as const)("is said of %s", (_what, wanted, limits, sentence) => {
    expect(incompatibilities(wanted, version(), () => limits)).toEqual([sentence]);
  });

  it("is nothing at its bounds, without limits, or while no lifetime is known", () => {
    const lifetime = { lifetimeMinMs: version().leaf.notAfter - ISSUED_AT };
    expect(
      incompatibilities(certificate(), version(), () => ({
        ...lifetime,
        keyTypes: ["ecdsa-p256"],
        namesMax: 1,
        identifierTypes: ["dns"],
      })),
    ).toEqual([]);
    expect(incompatibilities(certificate(), version(), () => ({}))).toEqual([]);
    expect(incompatibilities(certificate(), null, () => ({ lifetimeMinMs: 1_000 * DAY_MS }))).toEqual([]);
  });

  it("is the kind's limits narrowed by what its operator knows", () => {
    expect(
      narrowed(
        { keyTypes: ["rsa-2048", "ecdsa-p256"], namesMax: 100, lifetimeMinMs: 5 },
        { keyTypes: ["rsa-2048", "rsa-4096"], namesMax: 10, profiles: ["classic"] },
      ),
    ).toEqual({
      ...{ keyTypes: ["rsa-2048"], namesMax: 10, lifetimeMinMs: 5, profiles: ["classic"] },
    });
    expect(narrowed({ namesMax: 10 }, {})).toEqual({ namesMax: 10 });
    expect(narrowed({}, { keyTypes: ["rsa-2048"] })).toEqual({ keyTypes: ["rsa-2048"] });
  });

  it("is told for each target by its own limits", () => {
    const both = certificate({ targets: ["lb", "cdn"] });
    expect(incompatibilities(both, null, (target) => (target === "cdn" ? { keyTypes: ["rsa-2048"] } : {}))).toEqual([
      "target cdn takes no ecdsa-p256 key, only rsa-2048",
    ]);
  });
});
