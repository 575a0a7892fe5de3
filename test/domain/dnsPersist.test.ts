import { describe, expect, it } from "vitest";
import { accountUri, judgePersist, persistValue, type StandingAccount } from "../../src/domain/dnsPersist.ts";

// The example of draft-ietf-acme-dns-persist-02 §10.2.
const HASHED: StandingAccount = {
  issuerDomainNames: ["authority.example", "ca.example.net"],
  accountUrl: "https://ca.example/acct/123",
  keyThumbprint: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
  accountHashPrefix: "https://ca.example/account-hash/",
};
const BY_URL: StandingAccount = { ...HASHED, accountHashPrefix: null };
const APEX = { domain: "example.com", wildcard: false };
const WILD = { domain: "example.com", wildcard: true };
const NOW = Date.parse("2026-11-29T00:00:00Z");
const SECONDS = NOW / 1_000;
const OWN = "https://ca.example/account-hash/sha-256/5SQm7n6tPh2-PlLbCKGnViTXX5z19SCN4cPGQHSk-kw";
const ANY = "https://ca.example/account-hash/sha-256/NpDnSwUthQK8zCgFdefYxAdAVPnygMLbs9US6oO-5ug";

describe("a dns-persist-01 record", () => {
  it("names the account by the draft's own example", () => {
    expect([accountUri(HASHED, "example.com"), accountUri(HASHED, "*")]).toEqual([OWN, ANY]);
    expect(accountUri(BY_URL, "example.com")).toBe("https://ca.example/acct/123");
  });

  it("has the parts that the name and its end need", () => {
    expect(persistValue(HASHED, APEX)).toBe(`authority.example; accounturi=${OWN}`);
    expect(persistValue(HASHED, WILD, 1721952000)).toBe(
      `authority.example; accounturi=${OWN}; policy=wildcard; persistUntil=1721952000`,
    );
  });

  it.each<[string, typeof APEX, string, string]>([
    ["as written", APEX, persistValue(HASHED, APEX), "valid"],
    ["for any domain", APEX, `authority.example; accounturi=${ANY}`, "valid"],
    ["by the CA's other name, in other spelling", APEX, `\tCA.example.net. ;\taccounturi\t=\t${OWN}`, "valid"],
    ["with parameters of the future", APEX, `authority.example; accounturi=${OWN}; new=`, "valid"],
    ["with a policy that is unknown", APEX, `authority.example; accounturi=${OWN}; policy=x`, "valid"],
    ["for wildcards", WILD, `authority.example; accounturi=${OWN}; policy=WildCard`, "valid"],
    ["without wildcards", WILD, `authority.example; accounturi=${OWN}`, "wrong"],
    ["that ended", APEX, `authority.example; accounturi=${OWN}; persistUntil=${SECONDS - 1}`, "wrong"],
    ["with an end that is none", APEX, `authority.example; accounturi=${OWN}; persistUntil=soon`, "wrong"],
    ["with an account twice", APEX, `authority.example; accounturi=${OWN}; accounturi=${OWN}`, "wrong"],
    ["without an account", APEX, "authority.example; policy=wildcard", "wrong"],
    ["malformed", APEX, "authority.example; accounturi", "wrong"],
    ["by the account's URL", APEX, "authority.example; accounturi=https://ca.example/acct/123", "wrong"],
    ["of an earlier key, or another account", APEX, `authority.example; accounturi=${OWN}x`, "unknown"],
    ["with a semicolon at its end", APEX, `authority.example; accounturi=${OWN};`, "unknown"],
    ["of another CA", APEX, `other.example; accounturi=${OWN}`, "missing"],
    ["of something else", APEX, "v=spf1 -all", "missing"],
  ])("%s is judged as the CA does", (_what, name, value, kind) => {
    expect(judgePersist([value], HASHED, name, NOW)).toMatchObject({ kind });
  });

  it("of a CA of an earlier draft names our account's URL and no other", () => {
    expect(judgePersist([persistValue(BY_URL, APEX)], BY_URL, APEX, NOW)).toMatchObject({ kind: "valid" });
    expect(judgePersist(["authority.example; accounturi=https://ca.example/acct/9"], BY_URL, APEX, NOW)).toEqual({
      kind: "wrong",
      why: "has a record for account https://ca.example/acct/9, not for https://ca.example/acct/123",
    });
  });

  it("beside others is found, and the one that lasts longest counts", () => {
    const values = ["v=spf1 -all", "authority.example", persistValue(HASHED, APEX, SECONDS + 60)];
    expect(judgePersist(values, HASHED, APEX, NOW)).toEqual({ kind: "valid", until: SECONDS + 60, endsSoon: true });
    const more = [...values, persistValue(HASHED, APEX, SECONDS + 9_000_000)];
    expect(judgePersist(more, HASHED, APEX, NOW)).toEqual({
      ...{ kind: "valid", until: SECONDS + 9_000_000, endsSoon: false },
    });
  });
});
