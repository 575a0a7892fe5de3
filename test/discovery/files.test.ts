import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { filesSource } from "../../src/discovery/files.ts";
import { Secret } from "../../src/domain/secret.ts";
import { createRoot, type IssuedPair } from "../support/ca/pki.ts";
import { looked } from "./looked.ts";

const run = promisify(execFile);
let directory: string;
let pair: IssuedPair;
let chain: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-files-"));
  const root = await createRoot();
  const authority = await root.intermediate();
  pair = await authority.issue({ names: ["www.example.org", "example.org"] });
  chain = `${pair.certPem}${authority.certPem}${root.certPem}`;
  await writeFile(join(directory, "input.pem"), `${pair.keyPem}${chain}`);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function lookedAt(paths: readonly string[], passwords: readonly string[] = []) {
  return looked(filesSource({ paths, passwords: async () => passwords.map((each) => new Secret(each)) }));
}

/** A directory of its own, with these files. */
async function directoryWith(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const made = await mkdtemp(join(directory, "case-"));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(made, name, ".."), { recursive: true });
    await writeFile(join(made, name), content);
  }
  return made;
}

test("PEM at any depth: the leaf, not the CAs above it, with the target that would write there", async () => {
  const at = await directoryWith({
    "a/b/fullchain.pem": chain,
    "a/b/privkey.pem": pair.keyPem,
    "bundle.pem": pair.keyPem + chain,
    "alone.crt": chain,
    "notes.txt": chain,
    "key.pem": pair.keyPem,
  });
  const { found, problems } = await lookedAt([at]);
  expect(problems).toEqual([]);
  expect(found.map(({ place, names, target }) => [place.slice(at.length), names, target])).toEqual([
    [
      "/a/b/fullchain.pem",
      ["www.example.org", "example.org"],
      { type: "files", fullchain: `${at}/a/b/fullchain.pem`, privkey: `${at}/a/b/privkey.pem` },
    ],
    ["/alone.crt", ["www.example.org", "example.org"], null],
    ["/bundle.pem", ["www.example.org", "example.org"], { type: "files", bundle: `${at}/bundle.pem` }],
  ]);
  expect(new Set(found.map(({ fingerprint }) => fingerprint)).size).toBe(1);
});

test("a file by its own path, whatever its name", async () => {
  const at = await directoryWith({ "served-by-hand": chain });
  expect((await lookedAt([join(at, "served-by-hand")])).found).toHaveLength(1);
});

const PKCS12: readonly (readonly [name: string, args: readonly string[], password: string])[] = [
  ["AES-256 and PBKDF2 with SHA-256, as OpenSSL 3 and Java write it", [], "s3cret"],
  ["without a password", [], ""],
  [
    "3DES, as Windows and older programs write it",
    ["-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1"],
    "s3cret",
  ],
  ["RC2 with 40 bits, as OpenSSL before 3 and Java before 2021 wrote it", ["-legacy"], "s3cret"],
  ["RC2 with 40 bits and no password", ["-legacy"], ""],
  ["RC2 with 128 bits", ["-legacy", "-certpbe", "PBE-SHA1-RC2-128"], "s3cret"],
  ["certificates in clear", ["-certpbe", "NONE"], "s3cret"],
];
test.each(PKCS12)("PKCS#12: %s", async (_, args, password) => {
  const at = await directoryWith({});
  const out = join(at, "store.p12");
  const input = join(directory, "input.pem");
  await run("openssl", ["pkcs12", "-export", "-in", input, "-out", out, "-passout", `pass:${password}`, ...args]);
  const { found, problems } = await lookedAt([at], ["wrong", "s3cret"]);
  expect(problems).toEqual([]);
  expect(found.map(({ names }) => names)).toEqual([["www.example.org", "example.org"]]);
  const locked = await lookedAt([at], ["wrong"]);
  if (password !== "" && args[1] !== "NONE") {
    expect(locked.found).toEqual([]);
    expect(locked.problems.join()).toMatch(/store\.p12 is a PKCS#12 file that none of the passwords opens/);
  } else expect(locked.found).toHaveLength(1);
});

test("a Java key store of the older format, which needs no password", async () => {
  const at = await directoryWith({ "ks.jks": javaKeyStore(pair) });
  const { found, problems } = await lookedAt([at]);
  expect(problems).toEqual([]);
  expect(found.map(({ names }) => names)).toEqual([["www.example.org", "example.org"]]);
});

test("links that lead in a circle, pipes, directories that cannot be read, and damage harm nothing", async () => {
  const at = await directoryWith({
    "inside/good.pem": chain,
    "broken.pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "endless.pem": "-----BEGIN CERTIFICATE-----\n".repeat(50_000),
    "huge.der": Uint8Array.of(0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x02, 0x01, 0x03),
    "cut.jks": Uint8Array.of(0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1),
    "empty.p12": "",
  });
  await symlink(at, join(at, "inside", "loop"));
  await symlink("/dev/zero", join(at, "zero.pem"));
  await symlink("self.pem", join(at, "self.pem"));
  await run("mkfifo", [join(at, "pipe.pem")]);
  const { found, problems } = await lookedAt([at, "/nonexistent/path"]);
  expect(found.map(({ place }) => place)).toEqual([join(at, "inside/good.pem")]);
  expect(problems.sort()).toEqual([
    "/nonexistent/path cannot be read (ENOENT)",
    `${at}/cut.jks is damaged`,
    `${at}/huge.der is damaged`,
    `${at}/self.pem cannot be read (ELOOP)`,
  ]);
});

test("a PKCS#12 file that asks for billions of rounds costs nothing", async () => {
  const at = await directoryWith({});
  const out = join(at, "bomb.p12");
  const input = join(directory, "input.pem");
  await run("openssl", ["pkcs12", "-export", "-in", input, "-out", out, "-passout", "pass:x", "-iter", "65536"]);
  const bytes = await readFile(out);
  const rounds = Buffer.from("0203010000", "hex");
  expect(bytes.includes(rounds)).toBe(true);
  for (let from = bytes.indexOf(rounds); from >= 0; from = bytes.indexOf(rounds))
    bytes.set([0x7f, 0xff, 0xff], from + 2);
  await writeFile(out, bytes);
  const { found, problems } = await lookedAt([at], ["x"]);
  expect(found).toEqual([]);
  expect(problems.join()).toMatch(/encrypted in a way that is not read here/);
});

test("a run that is stopped ends at once", async () => {
  const at = await directoryWith({ "a.pem": chain });
  await expect(looked(filesSource({ paths: [at], passwords: async () => [] }), AbortSignal.abort())).rejects.toThrow();
});

/** sun.security.provider.JavaKeyStore, version 2, with one private key entry. */
function javaKeyStore({ certPem }: IssuedPair): Buffer {
  const der = Buffer.from(certPem.replace(/-----[^-]+-----|\s/g, ""), "base64");
  const number = (value: number) => {
    const four = Buffer.alloc(4);
    four.writeUInt32BE(value);
    return four;
  };
  const text = (value: string) => Buffer.concat([Buffer.of(0, value.length), Buffer.from(value)]);
  const key = Buffer.from("not looked at");
  return Buffer.concat([
    ...[number(0xfeedfeed), number(2), number(1), number(1), text("alias"), Buffer.alloc(8)],
    ...[number(key.length), key, number(1), text("X.509"), number(der.length), der, Buffer.alloc(20)],
  ]);
}
