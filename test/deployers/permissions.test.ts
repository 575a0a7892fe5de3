// What docs/targets.md says an account needs is what the code calls.
import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";

const read = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), "utf8");
const all = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, found = ""]) => found);
const sorted = (names: Iterable<string>): string[] => [...new Set(names)].sort();

/** Permissions that a call needs beside the one of its own name. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  // UploadServerCertificate with tags.
  iam: ["TagServerCertificate"],
};

it.each([
  ["acm", "acmClient"],
  ["secretsmanager", "secretsManagerClient"],
  ["iam", "iamClient"],
])("names every action of AWS that is called, and no other: %s", async (service, client) => {
  const called = all(await read(`src/deployers/aws/${client}.ts`), /action: "(\w+)"/g);
  const documented = all(await read("docs/targets.md"), new RegExp(`\`${service}:(\\w+)\``, "g"));
  expect(called.length).toBeGreaterThan(3);
  expect(sorted(documented)).toEqual(sorted([...called, ...(BESIDE[service] ?? [])]));
});

it("names every permission of Google that is asked for, and no other", async () => {
  const docs = await read("docs/targets.md");
  const secrets = all(await read("src/deployers/google/secretManagerClient.ts"), /permission: "([\w.]+)"/g);
  expect(sorted(all(docs, /`secretmanager\.([\w.]+)`/g))).toEqual(sorted(secrets));
  const certs = all(await read("src/deployers/google/certificateManagerClient.ts"), /await call\("(\w+)"/g);
  expect(sorted(all(docs, /`certificatemanager\.certs\.(\w+)`/g))).toEqual(sorted(certs));
});
