import { createPrivateKey } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createRoot } from "../support/ca/pki.ts";
import { configText, createInstallation, type Installation } from "../support/system/installation.ts";

let installation: Installation;
beforeEach(async () => {
  installation = await createInstallation(configText(["www", "api"]));
});
afterEach(() => installation[Symbol.asyncDispose]());

describe("import", () => {
  const write = async (name: string, text: string): Promise<string> => {
    const path = join(installation.directory, name);
    await writeFile(path, text);
    return path;
  };

  test("of a file that holds certificate and key stores the key, the leaf and its chain as targets get them, in any order", async () => {
    const root = await createRoot();
    const intermediate = await root.intermediate();
    const below = await intermediate.intermediate();
    const foreign = await createRoot();
    const { certPem, keyPem } = await below.issue({ names: ["www.example.org"] });
    const chain = `${root.certPem}${intermediate.certPem}${foreign.certPem}${below.certPem}`;
    const combined = await write("combined.pem", `${chain}${certPem}${keyPem}${certPem}`);
    const args = ["--certificate", combined, "--key", combined];
    expect((await installation.run("import", "www", ...args)).code).toBe(0);
    const { store } = installation;
    expect(await store.versions.latest("www")).toMatchObject({
      leafPem: certPem,
      chainPem: [below.certPem, intermediate.certPem],
    });
    expect((await store.versions.privateKey("www", 1)).reveal().trim()).toBe(keyPem.trim());
  });

  test("refuses an encrypted key, other names and an older pair, each with its reason", async () => {
    const root = await createRoot();
    const now = Date.now();
    const attempt = async (
      { certPem, keyPem }: { certPem: string; keyPem: string },
      ...more: string[]
    ): ReturnType<Installation["run"]> => {
      const [certificate, key] = [await write("cert.pem", certPem), await write("key.pem", keyPem)];
      return installation.run("import", "www", "--certificate", certificate, "--key", key, ...more);
    };
    const pair = await root.issue({ names: ["www.example.org"], notBefore: new Date(now - 60_000) });
    const cipher = { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" } as const;
    const encrypted = createPrivateKey(pair.keyPem).export(cipher).toString();
    expect((await attempt({ ...pair, keyPem: encrypted })).stderr).toContain("the key is encrypted");
    const foreign = await root.issue({ names: ["www.example.org", "other.example"] });
    expect((await attempt(foreign)).stderr).toContain("it is also for other.example");
    expect((await attempt(await root.issue({ names: ["x.example"] }))).stderr).toContain("it lacks www.example.org");
    expect(await attempt(pair)).toMatchObject({ code: 0 });
    const older = await root.issue({ names: ["www.example.org"], notBefore: new Date(now - 86_400_000) });
    expect((await attempt(older)).stderr).toMatch(/older than generation 1, .*; --force imports it all the same/);
    expect(await attempt(older, "--force")).toMatchObject({ code: 0 });
  });

  test("takes over a pair as the next generation and says what the planner makes of it", async () => {
    const intermediate = await (await createRoot()).intermediate();
    const { certPem, keyPem } = await intermediate.issue({ names: ["www.example.org"] });
    const [bundle, key] = [
      await write("bundle.pem", `${certPem}\n${intermediate.certPem}`),
      await write("key.pem", keyPem),
    ];
    const { code, stdout, stderr } = await installation.run(
      "import",
      "www",
      "--certificate",
      bundle,
      "--key",
      key,
      "--json",
    );
    expect({ code, report: JSON.parse(stdout) }).toMatchObject({
      code: 0,
      report: { version: 1, certificate: "www", generation: 1, plan: expect.stringContaining("renews ") },
    });
    expect(stderr).toContain("the planner: renews ");
    expect(await installation.store.versions.latest("www")).toMatchObject({
      generation: 1,
      issuer: "imported",
      chainPem: [expect.stringContaining("BEGIN CERTIFICATE")],
    });
    expect((await installation.store.versions.privateKey("www", 1)).reveal()).toBe(keyPem);
    expect((await installation.run("certificates", "www")).stdout).toContain("deployed, not proved");
  });

  test("refuses what it cannot use with one clear message, and stores nothing", async () => {
    const root = await createRoot();
    const [one, other] = [
      await root.issue({ names: ["www.example.org"] }),
      await root.issue({ names: ["www.example.org"] }),
    ];
    const certificate = await write("cert.pem", one.certPem);
    const encrypted = await write(
      "encrypted.pem",
      createPrivateKey(one.keyPem)
        .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" })
        .toString(),
    );
    const cases: [string, string, RegExp][] = [
      [certificate, await write("other.pem", other.keyPem), /does not belong to the certificate/],
      [certificate, encrypted, /the key is encrypted, and renewd has no passphrase/],
      [certificate, "/nonexistent/key.pem", /--key: cannot read \/nonexistent\/key\.pem \(ENOENT\)/],
      [certificate, installation.directory, /--key: cannot read .* \(EISDIR\)/],
      [await write("empty.pem", "nothing"), await write("one.pem", one.keyPem), /holds no PEM certificate/],
      [
        await write("huge.pem", "x".repeat(2_000_000)),
        await write("one.pem", one.keyPem),
        /--certificate: .* has 2000000 bytes/,
      ],
    ];
    for (const [pem, key, message] of cases) {
      const { code, stdout, stderr } = await installation.run("import", "www", "--certificate", pem, "--key", key);
      expect(stderr).toMatch(message);
      expect(stderr).not.toContain("PRIVATE KEY");
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    }
    expect(await installation.store.versions.latest("www")).toBeNull();
    expect(await readFile(certificate, "utf8")).toBe(one.certPem);
  });
});

describe("renewd plan, before anything is issued", () => {
  test("says what a target cannot take, by its kind or by what its operator knows of it", async () => {
    const text = JSON.parse(configText(["www"]));
    text.targets.lb.takes = { keyTypes: ["rsa-2048"], namesMax: 1 };
    text.certificates.www.names.push("www2.example.org");
    await writeFile(installation.configFile, JSON.stringify(text));
    const { stdout, code } = await installation.run("plan");
    expect(code).toBe(0);
    expect(stdout).toContain("target lb takes no ecdsa-p256 key, only rsa-2048");
    expect(stdout).toContain("target lb takes at most 1 names, the certificate has 2");
    text.targets.lb.takes = { keyType: "rsa-2048" };
    await writeFile(installation.configFile, JSON.stringify(text));
    expect(await installation.run("plan")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/targets\.lb\.takes.*keyType/),
    });
  });
});
