import { execFileSync } from "node:child_process";
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readCsr } from "../../src/config/read/readCsr.ts";
import { type ConfigFile, configFile, estate } from "./configFile.ts";

const ABSENT = "{ file: /nonexistent/www.csr, privateKey: env:NOWHERE }";

function www(options: string): string {
  return estate(`  www: { names: [www.example.org], endpoints: [www.example.org], ${options} }`);
}

describe("a certificate's own request", () => {
  it("is where the file says; neither it nor its key is read with the configuration", async () => {
    await using file = await configFile(
      www("csr: { file: /nonexistent/www.csr, privateKey: 'file:/nonexistent/www.key' }"),
    );
    const [certificate] = (await file.config()).certificates;
    expect(certificate?.csr).toEqual({
      file: "/nonexistent/www.csr",
      privateKey: { kind: "file", at: "/nonexistent/www.key" },
    });
  });

  it.each([
    [
      "a relative file",
      "csr: { file: www.csr, privateKey: env:KEY }",
      "12:79 certificates.www.csr.file: must be an absolute path",
    ],
    ["no file", "csr: { privateKey: env:KEY }", "12:66 certificates.www.csr.file: is missing"],
    ["no key", "csr: { file: /www.csr }", "12:66 certificates.www.csr.privateKey: is missing"],
    [
      "a key in place of a reference",
      "csr: { file: /www.csr, privateKey: hunter2 }",
      "12:101 certificates.www.csr.privateKey: must refer to a secret, not hold it",
    ],
    [
      "a mistyped key",
      "csr: { file: /www.csr, privateKey: env:KEY, pasword: x }",
      "certificates.www.csr.pasword: unknown key",
    ],
    ["only a path", "csr: /www.csr", "12:71 certificates.www.csr: must be keys and values, not text"],
    [
      "a key kept as well",
      `reuseKey: true, csr: ${ABSENT}`,
      "12:82 certificates.www.csr: cannot be used with `reuseKey`, as the request fixes the key: set `reuseKey: false` here",
    ],
    [
      "names that may go",
      `dropDeadNames: true, csr: ${ABSENT}`,
      "12:87 certificates.www.csr: cannot be used with `dropDeadNames`, as the request fixes the names",
    ],
  ])("with %s is a mistake", async (_, options, problem) => {
    await using file = await configFile(www(options));
    const problems = await file.problems();
    expect(problems).toEqual([expect.stringContaining(problem)]);
    expect(problems.join()).not.toContain("hunter2");
  });

  it("cannot be used with defaults that would change it, unless the certificate says otherwise", async () => {
    const withDefaults = (options: string): string =>
      www(options).replace("targets: [edge] }", "targets: [edge], reuseKey: true, dropDeadNames: true }");
    await using file = await configFile(withDefaults(`csr: ${ABSENT}`));
    expect(await file.problems()).toEqual([
      expect.stringContaining("`reuseKey`"),
      expect.stringContaining("`dropDeadNames`"),
    ]);
    await using other = await configFile(withDefaults(`csr: ${ABSENT}, reuseKey: false, dropDeadNames: false`));
    expect(await other.problems()).toEqual([]);
  });

  it("is no default: it is for one certificate's names", async () => {
    await using file = await configFile(estate(undefined).replace("defaults: {", `defaults: { csr: ${ABSENT},`));
    expect(await file.problems()).toEqual([expect.stringContaining("defaults.csr: unknown key")]);
  });

  it("changes the certificate's digest with its file, its key's reference, and by being there", async () => {
    const written = [
      "verifyTimeout: 60s",
      `csr: ${ABSENT}`,
      `csr: ${ABSENT.replace("www", "other")}`,
      `csr: ${ABSENT.replace("NOWHERE", "ELSEWHERE")}`,
    ];
    const digests = [];
    for (const options of written) {
      await using file = await configFile(www(options));
      digests.push((await file.config()).certificates[0]?.digest);
    }
    expect(new Set(digests).size).toBe(written.length);
  });
});

describe("reading it when ordering", () => {
  const DER = Uint8Array.from([0x30, 0x03, 0xff, 0xfe, 0x80]);

  function read(file: ConfigFile, at: string, reference: { kind: "env" | "file"; at: string }) {
    return readCsr("www", { file: join(file.directory, at), privateKey: reference }, file.directory, (name) =>
      name === "KEY" ? "from the environment" : undefined,
    );
  }

  it("takes the file byte by byte and the key as any secret", async () => {
    await using file = await configFile(estate());
    await file.write("www.csr", DER);
    await file.write("www.key", "from a file\n");
    const fromFile = await read(file, "www.csr", { kind: "file", at: "www.key" });
    expect([...fromFile.request]).toEqual([...DER]);
    expect(fromFile.privateKey.reveal()).toBe("from a file");
    expect((await read(file, "www.csr", { kind: "env", at: "KEY" })).privateKey.reveal()).toBe("from the environment");
  });

  it.each<[string, (file: ConfigFile) => Promise<unknown>, { kind: "env" | "file"; at: string }, RegExp]>([
    [
      "no request",
      async () => {},
      { kind: "env", at: "KEY" },
      /^certificates\.www\.csr\.file: the certificate signing request ".*www\.csr" does not exist; /,
    ],
    [
      "a directory",
      async (file) => mkdir(join(file.directory, "www.csr")),
      { kind: "env", at: "KEY" },
      /csr\.file: .* is not a regular file/,
    ],
    [
      "a FIFO",
      async (file) => execFileSync("mkfifo", [join(file.directory, "www.csr")]),
      { kind: "env", at: "KEY" },
      /csr\.file: .* is not a regular file/,
    ],
    [
      "too large a request",
      async (file) => file.write("www.csr", new Uint8Array(65_537)),
      { kind: "env", at: "KEY" },
      /csr\.file: .* has 65537 bytes, more than the 65536 allowed/,
    ],
    [
      "no key",
      async (file) => file.write("www.csr", DER),
      { kind: "file", at: "www.key" },
      /^certificates\.www\.csr\.privateKey: the secret's file ".*" does not exist; /,
    ],
    [
      "an unset key",
      async (file) => file.write("www.csr", DER),
      { kind: "env", at: "NOWHERE" },
      /csr\.privateKey: the environment variable NOWHERE is not set/,
    ],
  ])("says so of %s", async (_, prepare, reference, message) => {
    await using file = await configFile(estate());
    await prepare(file);
    await expect(read(file, "www.csr", reference)).rejects.toMatchObject({
      code: "acme.ownCsr",
      message: expect.stringMatching(message),
    });
  });

  it("says so of a request it may not read", async () => {
    await using file = await configFile(estate());
    await chmod(await file.write("www.csr", DER), 0o000);
    const script = `
      import { readCsr } from ${JSON.stringify(new URL("../../src/config/read/readCsr.ts", import.meta.url).pathname)};
      if (process.getuid() === 0) process.setuid(65534);
      const source = { file: ${JSON.stringify(join(file.directory, "www.csr"))}, privateKey: { kind: "env", at: "KEY" } };
      await readCsr("www", source, "/", () => "key").catch(({ code, message }) => console.log(code, message));`;
    await chmod(file.directory, 0o755);
    const told = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    expect(told).toMatch(
      /^acme\.ownCsr certificates\.www\.csr\.file: .* cannot be read: give the user renewd runs as permission/,
    );
  });
});
