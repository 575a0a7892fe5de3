import { expect, it } from "vitest";
import { isClearText, isLoopback } from "../../src/domain/loopback.ts";

it.each(["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.10", "::1", "[::1]"])("%s is this machine", (host) => {
  expect(isLoopback(host)).toBe(true);
});

it.each(["127.example.org", "localhost.example.org", "10.0.0.1", "[::2]", "0.0.0.0", ""])("%j is not", (host) => {
  expect(isLoopback(host)).toBe(false);
});

it.each([
  ["http://vault.example:8200", true],
  ["http://127.example.org", true],
  ["http://127.1:8200", false],
  ["http://[::1]:8200", false],
  ["https://vault.example:8200", false],
])("what is sent to %s can be read on the way: %s", (url, readable) => {
  expect(isClearText(url)).toBe(readable);
});
