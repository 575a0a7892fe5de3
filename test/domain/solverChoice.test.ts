import { expect, it } from "vitest";
import { canSolve } from "../../src/domain/solverChoice.ts";
import { identifierOf } from "../support/identifier.ts";

it.each<[string, string, readonly string[], boolean]>([
  ["http-01", "www.example.org", [], true],
  ["http-01", "*.example.org", [], false],
  ["http-01", "192.0.2.1", [], true],
  ["dns-01", "*.example.org", [], true],
  ["dns-01", "192.0.2.1", [], false],
  ["dns-persist-01", "*.example.org", [], true],
  ["dns-01", "www.example.org", ["example.org"], true],
  ["dns-01", "example.org", ["example.org"], true],
  ["dns-01", "*.example.org", ["example.net", "example.org"], true],
  ["dns-01", "badexample.org", ["example.org"], false],
  ["http-01", "192.0.2.1", ["example.org"], false],
])("a solver of %s can answer for %s in zones %j: %s", (challengeType, name, zones, expected) => {
  expect(canSolve({ zones, challengeType }, identifierOf(name))).toBe(expected);
});
