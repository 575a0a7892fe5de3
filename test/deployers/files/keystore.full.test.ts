import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { files } from "../../../src/deployers/files/files.ts";
import { checkTool } from "../../../src/deployers/files/keystore.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { readLeaf } from "../../../src/x509/leaf.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { storedFingerprint } from "../../support/servers/served.ts";

const NEVER = new AbortController().signal;
const PASSWORD = "planted pass'word";
/** As renewd runs it: half the processor time. */
const QUICK = "-J-XX:TieredStopAtLevel=1";
const run = promisify(execFile);

function make(options: Record<string, unknown>): Deployer {
  return files.create(
    files.options.parse({ password: "env:PASSWORD", ...options }),
    dependencies("disk", { PASSWORD, SHORT: "12345", OTHER: "other-password" }),
  );
}

/** Key and certificates as OpenSSL reads them back. */
async function opened(path: string, ...more: string[]): Promise<string> {
  const { stdout } = await run("openssl", ["pkcs12", "-in", path, "-nodes", "-passin", "env:P", ...more], {
    env: { ...process.env, P: PASSWORD },
  });
  return stdout;
}

/** Fingerprint of a PKCS#12 file's leaf; throws when its key does not match. */
async function storedIn(path: string): Promise<string | null> {
  const there = await stat(path).catch(() => null);
  if (there === null) return null;
  const read = join(await mkdtemp(join(tmpdir(), "renewd-read-")), "pair.pem");
  await writeFile(read, await opened(path));
  return await storedFingerprint(read).finally(() => rm(join(read, ".."), { recursive: true }));
}

deployerConformance("files (PKCS#12)", async () => {
  const root = await mkdtemp(join(tmpdir(), "renewd-keystore-"));
  const gate = join(root, "gate");
  await writeFile(gate, "exit 0");
  const stored = (certificate: string): Promise<string | null> => storedIn(join(root, `${certificate}.p12`));
  return {
    deployer: make({ directory: root, pkcs12: "{certificate}.p12", command: ["sh", gate] }),
    stored,
    served: stored,
    async breakDown() {
      await writeFile(gate, "exit 3");
      return { code: "deploy.commandFailed", mend: () => writeFile(gate, "exit 0") };
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
});

describe("keystores", () => {
  let root: string;
  let issuer: PairIssuer;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "renewd-keystore-"));
    issuer = await createPairIssuer();
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(root, { recursive: true });
  });

  const deploy = async (
    options: Record<string, unknown>,
    keyType: "ecdsa-p256" | "rsa-2048" = "ecdsa-p256",
    generation = 1,
  ) => {
    const pair = await issuer.issue({ certificate: "www", generation, keyType });
    await make({ directory: root, ...options }).deploy({ pair, previous: null }, NEVER);
    return pair;
  };
  const keytool = async (...args: string[]): Promise<string> => {
    const { stdout } = await run("keytool", [QUICK, ...args, "-storepass:env", "P"], {
      env: { ...process.env, P: PASSWORD },
    });
    return stdout;
  };

  it("puts key, leaf and chain into the PKCS#12 file, under the certificate's name and readable by us alone", async () => {
    const pair = await deploy({ pkcs12: "www.p12" });
    const path = join(root, "www.p12");
    const text = await opened(path);
    const certificates = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    const serials = certificates.map((pem) => new X509Certificate(pem).serialNumber);
    expect(serials).toEqual([pair.leafPem, ...pair.chainPem].map((pem) => new X509Certificate(pem).serialNumber));
    expect(text).toContain("friendlyName: www");
    expect(await storedIn(path)).toBe(pair.leaf.fingerprint);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it("are read by an inspection: an old pair, a removed file and another password show", async () => {
    const options = { pkcs12: "www.p12", jks: "www.jks" };
    const inspected = () => make({ directory: root, ...options }).inspect?.({ certificate: "www", previous }, NEVER);
    const old = await deploy(options);
    await run("cp", [join(root, "www.p12"), join(root, "old.p12")]);
    const pair = await deploy(options, "ecdsa-p256", 2);
    const previous = { fingerprint: pair.leaf.fingerprint };
    const chain = [readLeaf(issuer.intermediate.certPem).fingerprint];
    expect(await inspected()).toEqual({ fingerprint: pair.leaf.fingerprint, keyMatches: true, chain, problems: [] });
    // As somebody exports key and certificate alone.
    await writeFile(join(root, "alone.pem"), pair.privateKey.reveal() + pair.leafPem);
    const p12 = ["-name", "www", "-out", join(root, "www.p12"), "-passout", "env:P"];
    await run("openssl", ["pkcs12", "-export", "-in", join(root, "alone.pem"), ...p12], {
      env: { ...process.env, P: PASSWORD },
    });
    expect(await inspected()).toMatchObject({ chain: [], problems: ["its places hold different chains"] });
    await run("cp", [join(root, "old.p12"), join(root, "www.p12")]);
    expect(await inspected()).toMatchObject({
      fingerprint: old.leaf.fingerprint,
      problems: ["its places hold different certificates"],
    });
    await rm(join(root, "www.p12"));
    expect(await inspected()).toMatchObject({
      fingerprint: null,
      problems: [expect.stringContaining("is missing"), expect.anything()],
    });
  });

  it.each([
    [false, "AES-256-CBC"],
    [true, "pbeWithSHA1And3-KeyTripleDES-CBC"],
  ])("encrypts for old readers only when told to (legacy: %s)", async (legacy, cipher) => {
    await deploy({ pkcs12: "www.p12", legacy });
    const { stderr } = await run(
      "openssl",
      ["pkcs12", "-in", join(root, "www.p12"), "-info", "-noout", "-legacy", "-passin", "env:P"],
      {
        env: { ...process.env, P: PASSWORD },
      },
    );
    expect(stderr).toContain(cipher);
  });

  it.each(["ecdsa-p256", "rsa-2048"] as const)(
    "makes a Java keystore whose key and chain keytool reads back (%s)",
    async (keyType) => {
      const pair = await deploy({ jks: "www.jks", pkcs12: "www.p12" }, keyType);
      const listed = await keytool(
        "-list",
        "-v",
        "-keystore",
        join(root, "www.jks"),
        "-storetype",
        "JKS",
        "-alias",
        "www",
      );
      expect(listed).toContain("Entry type: PrivateKeyEntry");
      expect(listed).toContain("Certificate chain length: 2");
      const sha256 = /SHA256: ([0-9A-F:]+)/.exec(listed)?.[1]?.replaceAll(":", "").toLowerCase();
      expect(sha256).toBe(pair.leaf.fingerprint);
      // The key is there under the store's password: it can be taken out again.
      const back = join(root, "back.p12");
      const to = ["-destkeystore", back, "-deststoretype", "PKCS12", "-deststorepass:env", "P", "-srckeypass:env", "P"];
      const from = ["-srckeystore", join(root, "www.jks"), "-srcstorepass:env", "P", "-srcalias", "www"];
      await run("keytool", [QUICK, "-importkeystore", "-noprompt", ...from, ...to], {
        env: { ...process.env, P: PASSWORD },
      });
      expect(await storedIn(back)).toBe(pair.leaf.fingerprint);
    },
  );

  it("takes the password of the day, and follows a new one at the next deploy of the same pair", async () => {
    const pair = await deploy({ pkcs12: "www.p12", password: "env:OTHER" });
    const path = join(root, "www.p12");
    await expect(opened(path)).rejects.toThrow();
    await make({ directory: root, pkcs12: "www.p12" }).deploy({ pair, previous: null }, NEVER);
    expect(await storedIn(path)).toBe(pair.leaf.fingerprint);
  });

  /** A store with a key and a trusted certificate of somebody else. */
  const foreignStore = async (name: string, type: "PKCS12" | "JKS", alias = "theirs"): Promise<void> => {
    const store = ["-keystore", join(root, name), "-storetype", type];
    const key = ["-genkeypair", "-keyalg", "EC", "-dname", "CN=theirs", "-alias", alias];
    const env = { ...process.env, P: PASSWORD };
    const keyPassword = type === "JKS" ? ["-keypass:env", "P"] : [];
    await run("keytool", [QUICK, ...key, ...store, "-storepass:env", "P", ...keyPassword], { env });
    const trusted = join(root, "trusted.pem");
    await writeFile(trusted, (await issuer.issue({ certificate: "ca", generation: 1 })).leafPem);
    const entry = ["-importcert", "-noprompt", "-alias", "trusted", "-file", trusted];
    await run("keytool", [QUICK, ...entry, ...store, "-storepass:env", "P"], { env });
  };
  const aliases = async (name: string): Promise<string[]> => {
    const listed = await keytool("-J-Duser.language=en", "-list", "-keystore", join(root, name));
    return [...listed.matchAll(/^(.+), \w{3} \d+, \d+, (\w+)/gm)].map(([, alias, kind]) => `${alias} ${kind}`).sort();
  };
  const ALL = ["theirs PrivateKeyEntry", "trusted trustedCertEntry", "www PrivateKeyEntry"];

  it.each([
    ["www.p12", "PKCS12", { pkcs12: "www.p12" }],
    ["www.jks", "JKS", { jks: "www.jks" }],
  ] as const)(
    "keeps the other entries of %s, and replaces its own at each renewal",
    async (name, type, options) => {
      await foreignStore(name, type);
      let fingerprint = "";
      for (const generation of [1, 2]) {
        const pair = await deploy(options, "ecdsa-p256", generation);
        fingerprint = pair.leaf.fingerprint;
        expect(await aliases(name)).toEqual(ALL);
        const entry = ["-list", "-v", "-alias", "www", "-keystore", join(root, name)];
        const ours = await keytool("-J-Duser.language=en", ...entry);
        expect(/SHA256: ([0-9A-F:]+)/.exec(ours)?.[1]?.replaceAll(":", "").toLowerCase()).toBe(pair.leaf.fingerprint);
      }
      const inspected = await make({ directory: root, ...options }).inspect?.(
        { certificate: "www", previous: null },
        NEVER,
      );
      expect(inspected).toMatchObject({ fingerprint, keyMatches: type === "JKS" ? null : true });
      // Their key is whole: a request can be signed with it.
      expect(await keytool("-certreq", "-alias", "theirs", "-keystore", join(root, name))).toContain("BEGIN NEW");
    },
    120_000,
  );

  it("refuses certificates that no tool can keep: a truststore of OpenSSL, and what stands beside a chain", async () => {
    const pair = await issuer.issue({ certificate: "www", generation: 1 });
    const stranger = await issuer.issue({ certificate: "stranger", generation: 1 });
    const own = pair.privateKey.reveal() + pair.leafPem + pair.chainPem.join("");
    const path = join(root, "www.p12");
    const made = async (pem: string, ...options: string[]): Promise<Buffer> => {
      await writeFile(join(root, "in.pem"), pem);
      const argv = ["pkcs12", "-export", "-in", join(root, "in.pem"), "-out", path, "-passout", "env:P", ...options];
      await run("openssl", argv, { env: { ...process.env, P: PASSWORD } });
      return await readFile(path);
    };
    for (const [pem, ...options] of [
      [stranger.leafPem, "-nokeys"],
      [stranger.leafPem, "-nokeys", "-caname", "theirs"],
      [own + stranger.leafPem, "-name", "www"],
    ] as const) {
      const before = await made(pem, ...options);
      await expect(deploy({ pkcs12: "www.p12" }), options.join()).rejects.toMatchObject({
        code: "deploy.refused",
        message: expect.stringMatching(/belong to no key \(CN=stranger.*`adopt: true`/),
      });
      expect(await readFile(path)).toEqual(before);
    }
    await deploy({ pkcs12: "www.p12", adopt: true });
    expect(await opened(path)).not.toContain("stranger");
    // A pair with its chain, however it is named, is what a renewal replaces.
    await made(own, "-name", "old", "-caname", "its issuer");
    await deploy({ pkcs12: "www.p12", alias: "old" }, "ecdsa-p256", 2);
  });

  it("keeps the secret keys of a PKCS#12 file", async () => {
    await keytool(
      "-genseckey",
      "-alias",
      "theirs",
      "-keyalg",
      "AES",
      "-keysize",
      "256",
      "-storetype",
      "PKCS12",
      "-keystore",
      join(root, "www.p12"),
    );
    await deploy({ pkcs12: "www.p12" });
    expect(await aliases("www.p12")).toEqual(["theirs SecretKeyEntry", "www PrivateKeyEntry"]);
  });

  it("refuses a store that it cannot open and did not write, until it may adopt it", async () => {
    await foreignStore("www.p12", "PKCS12");
    const before = await readFile(join(root, "www.p12"));
    const options = { pkcs12: "www.p12", password: "env:OTHER" };
    await expect(deploy(options)).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("`adopt: true`"),
    });
    expect(await readFile(join(root, "www.p12"))).toEqual(before);
    await deploy({ ...options, adopt: true });
    expect(await readFile(join(root, "www.p12"))).not.toEqual(before);
  });

  it("refuses to overwrite kept entries after the password was changed", async () => {
    await foreignStore("www.p12", "PKCS12");
    const pair = await issuer.issue({ certificate: "www", generation: 1 });
    const options = { directory: root, pkcs12: "www.p12" };
    const receipt = await make(options).deploy({ pair, previous: null }, NEVER);
    expect(receipt).toMatchObject({ keptEntries: 2 });
    await expect(
      make({ ...options, password: "env:OTHER" }).deploy({ pair, previous: receipt }, NEVER),
    ).rejects.toMatchObject({ code: "deploy.refused" });
    expect(await aliases("www.p12")).toEqual(ALL);
  });

  it("refuses without keytool what only keytool can keep", async () => {
    await foreignStore("www.p12", "PKCS12");
    const bin = await mkdtemp(join(tmpdir(), "renewd-bin-"));
    for (const tool of ["openssl", "mkfifo"]) {
      const wrapper = `#!/bin/sh\nPATH='${process.env.PATH}' exec ${tool} "$@"\n`;
      await writeFile(join(bin, tool), wrapper, { mode: 0o755 });
    }
    vi.stubEnv("PATH", bin);
    await expect(deploy({ pkcs12: "www.p12" })).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringMatching(/theirs.*apt-get install default-jre-headless.*`adopt: true`/),
    });
    await deploy({ pkcs12: "www.p12", adopt: true });
    vi.unstubAllEnvs();
    await rm(bin, { recursive: true });
    expect(await aliases("www.p12")).toEqual(["www PrivateKeyEntry"]);
  });

  it("leaves neither key nor password on disk outside the files asked for", async () => {
    const temporary = await mkdtemp(join(root, "tmp-"));
    vi.stubEnv("TMPDIR", temporary);
    await deploy({ jks: "www.jks" });
    expect(await readdir(temporary)).toEqual([]);
    await rm(temporary, { recursive: true });
    expect((await readdir(root)).sort()).toEqual([".renewd.lock", ".www.jks.renewd.json", "www.jks"]);
    expect((await readFile(join(root, "www.jks"))).includes(PASSWORD)).toBe(false);
  });

  it("tells a missing and a too short password before writing anything", async () => {
    await expect(deploy({ jks: "www.jks", password: "env:MISSING" })).rejects.toMatchObject({ code: "config.secret" });
    await expect(deploy({ jks: "www.jks", password: "env:SHORT" })).rejects.toMatchObject({
      code: "config.secret",
      message: expect.not.stringContaining("12345"),
    });
    await expect(
      make({ pkcs12: "/www.p12", password: "env:MISSING" }).preflight?.("www", null, NEVER),
    ).rejects.toMatchObject({ code: "config.secret" });
    expect(await readdir(root)).toEqual([]);
  });

  it("names the entry as `alias` says", async () => {
    await deploy({ pkcs12: "www.p12", jks: "www.jks", alias: "tomcat-{certificate}" });
    expect(await opened(join(root, "www.p12"))).toContain("friendlyName: tomcat-www");
    expect(await keytool("-list", "-keystore", join(root, "www.jks"))).toContain("tomcat-www,");
    const deployer = make({ directory: root, pkcs12: "www.p12", jks: "www.jks", alias: "tomcat-{certificate}" });
    expect((await deployer.inspect?.({ certificate: "www", previous: null }, NEVER))?.problems).toEqual([]);
  });

  it("creates its keystores in preflight too, so that a password which Java refuses shows there", async () => {
    await make({ directory: root, pkcs12: "www.p12", jks: "www.jks" }).preflight?.("www", null, NEVER);
    expect(await readdir(root)).toEqual([".renewd.lock"]);
    const options = files.options.parse({ directory: root, jks: "www.jks", password: "env:P" });
    const deployer = files.create(options, dependencies("disk", { P: "pässword-1" }));
    await expect(deployer.preflight?.("www", null, NEVER)).rejects.toMatchObject({
      code: "config.secret",
      message: expect.stringContaining("must be printable ASCII"),
    });
  });

  it("quotes keytool's error, which is on its standard output, and nothing else of what it prints", async () => {
    const tool = join(root, "keytool");
    const lines = ["Importing keystore ...", "keytool error: java.io.IOException: No space left on device"];
    await writeFile(tool, `#!/bin/sh\nprintf '%s\\n' ${lines.map((line) => `'${line}'`).join(" ")}\nexit 1\n`, {
      mode: 0o755,
    });
    vi.stubEnv("PATH", `${root}:${process.env.PATH}`);
    const failed = deploy({ jks: "www.jks" });
    await expect(failed).rejects.toMatchObject({
      code: "deploy.commandFailed",
      message: expect.stringMatching(/exit code 1: keytool error: java\.io\.IOException: No space left on device$/),
    });
  });

  it("says which package brings a missing tool", async () => {
    vi.stubEnv("PATH", root);
    await expect(checkTool("keytool")).rejects.toMatchObject({
      code: "deploy.commandFailed",
      message: expect.stringContaining("apt-get install default-jre-headless"),
    });
    vi.unstubAllEnvs();
    await expect(checkTool("keytool")).resolves.toBeUndefined();
  });

  it.each([
    [{ pkcs12: "/a.p12" }, "password"],
    [{ fullchain: "/a.pem", password: "env:P" }, "password"],
    [{ jks: "/a.jks", password: "hunter2" }, "env:NAME"],
  ])("refuses the options %j", (wrong, why) => {
    const result = files.options.safeParse(wrong);
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
