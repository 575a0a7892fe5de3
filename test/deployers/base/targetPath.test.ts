import { join } from "node:path";
import { expect, test } from "vitest";
import { resolveTargetPath } from "../../../src/deployers/base/targetPath.ts";

const PATTERNS = [
  ...["/etc/tls/{certificate}.pem", "{certificate}.crt", "{certificate}", "a/{certificate}/b/{certificate}.key"],
  ...["//etc//tls/{certificate}", "/etc/./tls/{certificate}.pem", "./{certificate}", "/a/.{certificate}/b", "/a/b/."],
  ...["/a/{certificate}/.", "/.../{certificate}", "/a/.b/..c/{certificate}", "/{certificate}{certificate}.pem"],
];

test.each(PATTERNS)("%s leads to a path without doubled slashes and dots", (pattern) => {
  for (const name of ["www", "a.b", "...", ".hidden", "*.example.org", "$&"])
    expect(resolveTargetPath(pattern, name)).toBe(join("/", pattern.split("{certificate}").join(name)));
});

test.each([".", "..", "a/b", "a\\b", "a\nb", ""])("a certificate called %j has no path", (name) => {
  expect(() => resolveTargetPath("/etc/tls/{certificate}.pem", name)).toThrow("cannot be part of a file name");
});

test("no pattern leads out of its directory", () => {
  expect(() => resolveTargetPath("/etc/../{certificate}", "www")).toThrow("leads out of its directory");
});
