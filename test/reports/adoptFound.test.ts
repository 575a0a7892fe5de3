import { expect, test } from "vitest";
import { parse } from "yaml";
import type { InventoryEntry } from "../../src/domain/inventory.ts";
import { type Adoptable, adoptFoundSnippet } from "../../src/reports/adoptFound.ts";
import { NOW, sighting } from "../support/model/facts.ts";

const CONFIG: Adoptable = {
  issuers: ["le"],
  solvers: [
    { name: "web", challengeType: "http-01" },
    { name: "dns", challengeType: "dns-01" },
  ],
  targets: ["lb"],
  certificates: [{ name: "www.example.org", issuer: "le", solvers: ["web"], targets: ["lb"] }],
};

function entry(
  names: readonly string[],
  places: readonly Partial<InventoryEntry["places"][number]>[] = [],
): InventoryEntry {
  const { certificate, place } = sighting({ names });
  const seen = { firstSeen: NOW, lastSeen: NOW };
  const all = places.map((each) => ({ ...place, endpoint: null, ...seen, ...each }));
  return { certificate, ...seen, ignored: null, announced: 0, managedAs: null, places: all };
}

test("a name that is taken gets another, and a wildcard the solver that can prove it", () => {
  const found = parse(adoptFoundSnippet(entry(["*.example.org", "www.example.org"]), CONFIG));
  expect(found).toEqual({
    certificates: {
      "example.org": {
        names: ["*.example.org", "www.example.org"],
        issuer: "le",
        solver: "dns",
        targets: ["lb"],
        endpoints: ["www.example.org:443"],
      },
    },
  });
  expect(Object.keys(parse(adoptFoundSnippet(entry(["www.example.org"]), CONFIG)).certificates)).toEqual([
    "www.example.org-2",
  ]);
});

test("the place where it is becomes a target, and where it was seen its endpoints", () => {
  const target = { type: "nginx", fullchain: "/etc/x/a.pem", privkey: '/etc/x/"odd": {k}.pem' };
  const endpoint = { host: "a.example", port: 8443, address: "192.0.2.1", sni: "a.example", starttls: null };
  const found = parse(
    adoptFoundSnippet(
      entry(
        ["a.example"],
        [
          { target },
          { endpoint },
          { endpoint: { ...endpoint, host: "192.0.2.1" } },
          { endpoint: { ...endpoint, port: 25, starttls: "smtp" } },
        ],
      ),
      CONFIG,
    ),
  );
  expect(found.targets).toEqual({ "a.example-target": target });
  expect(found.certificates["a.example"]).toMatchObject({
    targets: ["a.example-target"],
    endpoints: ["a.example:8443", { host: "a.example", port: 25, sni: "a.example", starttls: "smtp" }],
  });
});

test.each([
  [["\u202eevil\n  issuer: x.example", "$(id)", "a b.example"], CONFIG],
  [["good.example"], { ...CONFIG, issuers: [], certificates: [] }],
  [["*.example"], { ...CONFIG, solvers: [] }],
])("what is not ready is a comment, and says why: %j", (names, config) => {
  const snippet = adoptFoundSnippet(entry(names), config);
  expect(parse(snippet)).toBeNull();
  expect(snippet).toMatch(/^# NOT READY: /m);
  expect(snippet).not.toMatch(/[\u202e]|\$\(id\)/);
});
