import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { nothingKnown } from "../../src/config/read/known.ts";
import type { StoredDefinition } from "../../src/domain/definition.ts";
import { configFile, estate, KINDS } from "./configFile.ts";

const included = (name: string, port = 443): string =>
  `certificates:\n  ${name}: { names: [${name}.example.org], endpoints: ["${name}.example.org:${port}"] }\n`;

test("what has not changed since the last load is not read and checked again", async () => {
  await using file = await configFile(estate(undefined, "include: [certs.d/*.yaml]"));
  await mkdir(join(file.directory, "certs.d"));
  for (const name of ["a", "b"]) await file.write(`certs.d/${name}.yaml`, included(name));
  const stored = (name: string, keyType: string): StoredDefinition => ({
    ...{ name, changedAt: 1, changedBy: null },
    definition: { names: [`${name}.example.org`], endpoints: ["192.0.2.1:443"], keyType },
  });
  const known = nothingKnown();
  const load = async (...definitions: StoredDefinition[]) => {
    const stored = async () => ({ revision: 1, altered: [], definitions });
    const result = await loadConfig(file.file, { registries: KINDS, known, stored });
    if (!result.ok) return result.problems.map(({ line, message }) => `${line} ${message}`);
    return new Map(result.config.certificates.map((each) => [each.name, each]));
  };

  const first = await load(stored("c", "ecdsa-p256"), stored("d", "ecdsa-p256"));
  await file.write("certs.d/b.yaml", included("b", 8443));
  const second = await load(stored("c", "ecdsa-p256"), stored("d", "rsa-2048"));
  if (Array.isArray(first) || Array.isArray(second)) throw new Error("the configuration is right");
  // The very object: nothing was read, checked or completed again.
  const isSame = [...second].map(([name, certificate]) => [name, certificate === first.get(name)]);
  expect(isSame).toEqual([
    ["www", true],
    ["a", true],
    ["b", false],
    ["c", true],
    ["d", false],
  ]);
  expect(second.get("b")?.endpoints[0]?.port).toBe(8443);
  expect(second.get("d")?.keyType).toBe("rsa-2048");

  // A mistake is a mistake each time, and at its place.
  await file.write("certs.d/b.yaml", included("b", 0));
  for (const _ of [1, 2]) expect(await load()).toEqual([expect.stringMatching(/^2 certificates.b.endpoints\[0\]: /)]);
  await file.write("certs.d/b.yaml", included("a"));
  for (const _ of [1, 2]) expect(await load()).toEqual([expect.stringMatching(/^2 certificates.a: "a" is defined in/)]);
});

test("a target is asked what a certificate writes where one has changed, and two that write the same are found", async () => {
  await using file = await configFile(estate(undefined, "include: [certs.d/*.yaml]"));
  await mkdir(join(file.directory, "certs.d"));
  for (const name of ["a", "b"]) await file.write(`certs.d/${name}.yaml`, included(name));
  const known = nothingKnown();
  const asked: string[] = [];
  const deployers = KINDS.deployers.map(({ load, ...kind }) => ({
    ...kind,
    async load() {
      const plugin = await load();
      return {
        ...plugin,
        occupies: (options: unknown, certificate: string) => {
          asked.push(certificate);
          return plugin.occupies?.(options, certificate) ?? [];
        },
      };
    },
  }));
  const load = async () => {
    asked.length = 0;
    const result = await loadConfig(file.file, { registries: { ...KINDS, deployers }, known });
    return result.ok ? [...asked] : result.problems.map(({ message }) => message);
  };
  expect(await load()).toEqual(["www", "a", "b"]);
  expect(await load()).toEqual([]);
  await file.write("certs.d/b.yaml", included("b", 8443));
  expect(await load()).toEqual(["b", "www", "a"]);
  await file.write("certs.d/a.yaml", included("a").replace(" }", ", targets: [fixed] }"));
  expect(await load()).toEqual(["a", "www", "b"]);
  await file.write("certs.d/b.yaml", included("fixed"));
  for (const _ of [1, 2])
    expect(await load()).toEqual([expect.stringContaining('"/etc/tls/fixed.pem", which belongs to certificates.a')]);
  await file.write("certs.d/b.yaml", included("b"));
  expect(await load()).toEqual(["b", "www", "a"]);
});

test("two that write the same file are found though each was right beside others", async () => {
  await using file = await configFile(estate(undefined, "include: [certs.d/*.yaml]"));
  await mkdir(join(file.directory, "certs.d"));
  const known = nothingKnown();
  const load = async () => {
    const result = await loadConfig(file.file, { registries: KINDS, known });
    return result.ok ? [] : result.problems.map(({ message }) => message);
  };
  const fixed = (name: string): string => included(name).replace(" }", ", targets: [fixed] }");
  await file.write("certs.d/b.yaml", fixed("a"));
  await file.write("certs.d/c.yaml", included("c"));
  expect(await load()).toEqual([]);
  // For this load the first "a" is the only one.
  await file.write("certs.d/a.yaml", included("a"));
  await file.write("certs.d/c.yaml", fixed("c"));
  expect(await load()).toEqual([expect.stringContaining('"a" is defined in')]);
  await rm(join(file.directory, "certs.d/a.yaml"));
  expect(await load()).toEqual([expect.stringContaining('"/etc/tls/fixed.pem", which belongs to certificates.a')]);
});

test("what is known never hides a change of what a certificate refers to", async () => {
  const text = estate(undefined, "include: [more.yaml]\nresponsibility: [{ names: [www.example.org], team: web }]");
  await using file = await configFile(text);
  await file.write("more.yaml", included("a"));
  const known = nothingKnown();
  const stored = async () => ({
    ...{ revision: 1, altered: [] },
    definitions: [
      { name: "b", changedAt: 1, changedBy: null, definition: { names: ["b.example.org"], endpoints: ["192.0.2.1"] } },
    ],
  });
  const load = async (before = nothingKnown()) => {
    const result = await loadConfig(file.file, { registries: KINDS, known: before, stored });
    if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join("\n"));
    return result.config.certificates;
  };
  let digests = (await load(known)).map(({ digest }) => digest);
  const changes: readonly [from: string, to: string, isInDigest: boolean][] = [
    ["issuer: le, solver", "keyType: rsa-2048, issuer: le, solver", true],
    ["ca.example/dir", "ca.example/other", true],
    ["{ type: http-01 }", "{ type: http-01, zones: [example.org] }", true],
    ["/etc/tls/{certificate}.pem", "/etc/ssl/{certificate}.pem", true],
    ["team: web", "team: mail", false],
    ["targets: [edge]", "waves: [{ targets: [edge] }]", false],
  ];
  let written = text;
  for (const [from, to, isInDigest] of changes) {
    written = written.replace(from, to);
    await file.write("renewd.yaml", written);
    const certificates = await load(known);
    expect(certificates).toEqual(await load());
    const now = certificates.map(({ digest }) => digest);
    expect(now.map((digest, i) => digest !== digests[i])).toEqual([isInDigest, isInDigest, isInDigest]);
    digests = now;
  }
});
