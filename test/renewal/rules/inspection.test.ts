import { describe, expect, it } from "vitest";
import type { InstalledPair } from "../../../src/domain/deployer.ts";
import { heals, judgeInstalled } from "../../../src/renewal/rules/inspection.ts";
import { version } from "../../support/model/facts.ts";

const WANTED = version({ generation: 7 });
const KNOWN = new Map([
  [WANTED.leaf.fingerprint, 7],
  ["bb".repeat(32), 6],
]);
const GOOD: InstalledPair = { fingerprint: WANTED.leaf.fingerprint, keyMatches: true, problems: [] };

const CHAIN = ["dd".repeat(32), "ee".repeat(32)];

const judge = (patch: Partial<InstalledPair>) => judgeInstalled({ ...GOOD, ...patch }, WANTED, KNOWN, CHAIN);

describe("what a target holds", () => {
  it.each<[string, Partial<InstalledPair>, string | null]>([
    ["the deployed pair", {}, null],
    ["the deployed pair, where nobody can read the key", { keyMatches: null }, null],
    ["nothing", { fingerprint: null, keyMatches: null }, "holds no certificate"],
    [
      "another certificate, of an API that does not show which",
      { fingerprint: null, isOther: true, keyMatches: null, problems: ["it expires sooner"] },
      "holds another certificate than that of generation 7; it expires sooner",
    ],
    ["an older generation", { fingerprint: "bb".repeat(32) }, "holds generation 6 instead of generation 7"],
    [
      "a stranger's certificate",
      { fingerprint: "cc".repeat(32) },
      "holds a certificate that renewd did not issue (SHA-256 cccccccccccccccc…) instead of generation 7",
    ],
    ["another key", { keyMatches: false }, "holds a private key that does not belong to its certificate"],
    [
      "nothing, with a reason",
      { fingerprint: null, problems: ["/etc/lb/www.pem is missing"] },
      "holds no certificate; /etc/lb/www.pem is missing",
    ],
  ])("is compared with what was deployed: %s", (_, patch, what) => {
    expect(judge(patch)).toEqual(what === null ? null : { kind: "different", what });
  });

  it.each<[string, readonly string[], boolean]>([
    ["is the CA's", CHAIN, true],
    ["is the CA's, and another certificate follows", [...CHAIN, "ff".repeat(32)], true],
    ["is missing", [], false],
    ["is cut", CHAIN.slice(0, 1), false],
    ["is in another order", CHAIN.toReversed(), false],
    ["is another CA's", ["ff".repeat(32), "ee".repeat(32)], false],
  ])("is the pair as it must be only if its chain %s", (_, chain, isGood) => {
    const lost = "holds the pair without the CA's certificates that must follow it";
    expect(judge({ chain })).toEqual(isGood ? null : { kind: "different", what: lost });
  });

  it("is reported when the server could not start with it, in bounded and harmless text", () => {
    const problems = [
      "the file is readable by root alone\u001b[31m",
      ...Array.from({ length: 9 }, () => "x".repeat(999)),
    ];
    const found = judge({ problems });
    expect(found).toMatchObject({ kind: "unusable" });
    expect(found?.what).toContain("not as it must be: the file is readable by root alone");
    expect(found?.what).toContain("; and 7 more");
    expect(found?.what).not.toContain("\u001b");
    expect(found?.what.length).toBeLessThan(700);
  });

  it("is deployed again, but not for a problem that the last deployment did not fix", () => {
    const unusable = { kind: "unusable", what: "mode" } as const;
    expect(heals(unusable, null)).toBe(true);
    expect(heals(unusable, "another problem")).toBe(true);
    expect(heals(unusable, "mode")).toBe(false);
    expect(heals({ kind: "different", what: "holds no certificate" }, "holds no certificate")).toBe(true);
  });
});
