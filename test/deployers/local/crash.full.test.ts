// Kills and fails a deploy at exact system calls of a real process (strace's fault injection).
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { DeployerDependencies } from "../../../src/deployers/base/dependencies.ts";
import { certbot } from "../../../src/deployers/files/certbot.ts";
import { files } from "../../../src/deployers/files/files.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { toRenewalError } from "../../../src/domain/errors.ts";
import type { Plugin } from "../../../src/domain/plugin.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { createPairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { storedFingerprint } from "../../support/servers/served.ts";

const RENAME = "rename,renameat,renameat2";
const SCRIPT = fileURLToPath(new URL("./deployOnce.ts", import.meta.url));

describe("a deploy that dies or fails at one system call", () => {
  let root: string;
  let old: IssuedCertificate;
  let pair: IssuedCertificate;
  beforeAll(async () => {
    const issuer = await createPairIssuer();
    [old, pair] = await Promise.all([
      issuer.issue({ certificate: "www", generation: 1 }),
      issuer.issue({ certificate: "www", generation: 2 }),
    ]);
  });
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "renewd-crash-"));
  });
  afterEach(() => rm(root, { recursive: true }));

  const LAYOUTS = {
    bundle: { files: { bundle: "b.pem" }, stored: () => storedFingerprint(join(root, "b.pem")) },
    pair: {
      files: { fullchain: "f.pem", privkey: "k.pem" },
      stored: () => storedFingerprint(join(root, "f.pem"), join(root, "k.pem")),
    },
  };
  const run = (layout: keyof typeof LAYOUTS, issued: IssuedCertificate, inject: string | null): Promise<unknown> => {
    const options = { directory: root, ...LAYOUTS[layout].files };
    return inject === null ? deployHere(files, options, issued) : deployInjected("files", options, issued, inject);
  };
  const holdsOnly = async (layout: keyof typeof LAYOUTS): Promise<void> => {
    expect(await LAYOUTS[layout].stored()).toBe(pair.leaf.fingerprint);
    expect((await readdir(root)).filter((name) => name.includes("renewd-"))).toEqual([]);
  };

  it.each([
    ["bundle", "fsync:signal=SIGKILL:when=2"],
    ["bundle", `${RENAME}:signal=SIGKILL:when=1`],
    ["bundle", `${RENAME}:signal=SIGKILL:when=2`],
    ["bundle", "fsync:signal=SIGKILL:when=3"],
    ["pair", `${RENAME}:signal=SIGKILL:when=2`],
    ["pair", "fsync:signal=SIGKILL:when=4"],
  ] as const)("leaves a whole %s when killed at %s, and the next attempt finishes", async (layout, inject) => {
    await run(layout, old, null);
    expect(await run(layout, pair, inject)).toBe("killed");
    expect([old.leaf.fingerprint, pair.leaf.fingerprint]).toContain(await LAYOUTS[layout].stored());
    expect(await run(layout, pair, null)).toMatchObject({ generation: 2 });
    await holdsOnly(layout);
  });

  it("finishes a pair killed between its two renames, and lets no older one in before", async () => {
    await run("pair", old, null);
    // Rename 1 is the record's, 2 the key's; 3, the certificate's, does not happen.
    expect(await run("pair", pair, `${RENAME}:signal=SIGKILL:when=3`)).toBe("killed");
    await expect(LAYOUTS.pair.stored()).rejects.toThrow("torn");
    expect(await run("pair", old, null)).toEqual({ code: "deploy.newerGeneration" });
    expect(await run("pair", pair, null)).toMatchObject({ generation: 2 });
    await holdsOnly("pair");
  });

  it.each([
    ["bundle", `${RENAME}:error=ENOSPC:when=1`],
    ["pair", `${RENAME}:error=ENOSPC:when=2`],
    ["pair", `${RENAME}:error=EIO:when=3`],
    ["pair", "fsync:error=EIO:when=2"],
    ["bundle", "chmod:error=EPERM:when=1"],
  ] as const)("keeps the old %s and its generation when %s", async (layout, inject) => {
    await run(layout, old, null);
    expect(await run(layout, pair, inject)).toEqual({ code: "deploy.io" });
    expect(await LAYOUTS[layout].stored()).toBe(old.leaf.fingerprint);
    const [record = ""] = (await readdir(root)).filter((name) => name.endsWith(".renewd.json"));
    expect(JSON.parse(await readFile(join(root, record), "utf8"))).toMatchObject({ generation: 1 });
    expect(await run(layout, pair, null)).toMatchObject({ generation: 2 });
    await holdsOnly(layout);
  });
});

describe("a deploy into certbot's layout", () => {
  let root: string;
  let old: IssuedCertificate;
  let pair: IssuedCertificate;
  beforeAll(async () => {
    const issuer = await createPairIssuer();
    [old, pair] = await Promise.all([
      issuer.issue({ certificate: "www", generation: 1 }),
      issuer.issue({ certificate: "www", generation: 2 }),
    ]);
  });
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "renewd-crash-"));
  });
  afterEach(() => rm(root, { recursive: true }));
  const stored = (): Promise<string | null> =>
    storedFingerprint(join(root, "live", "www", "fullchain.pem"), join(root, "live", "www", "privkey.pem"));

  // Rename 1 is the record's, 2 to 5 are the archive's files, 6 to 9 the links: key, chain, certificate, full chain.
  it.each([2, 4, 6, 7, 9].map((rename) => [rename]))(
    "killed at rename %i is finished by the next attempt under the same number",
    async (rename) => {
      await deployHere(certbot, { directory: root }, old);
      expect(
        await deployInjected("certbot", { directory: root }, pair, `${RENAME}:signal=SIGKILL:when=${rename}`),
      ).toBe("killed");
      if (rename <= 6) expect(await stored()).toBe(old.leaf.fingerprint);
      else await expect(stored()).rejects.toThrow("torn");
      expect(await deployHere(certbot, { directory: root }, old)).toEqual({ code: "deploy.newerGeneration" });
      expect(await deployHere(certbot, { directory: root }, pair)).toMatchObject({ generation: 2 });
      expect(await stored()).toBe(pair.leaf.fingerprint);
      expect(await readlink(join(root, "live", "www", "cert.pem"))).toBe("../../archive/www/cert2.pem");
      const strays = (await readdir(root, { recursive: true })).filter((name) => name.includes("renewd-"));
      expect(strays).toEqual([]);
    },
  );
});

/** The receipt, or `{code}` of the error. */
async function deployHere<Options>(
  plugin: Plugin<Options, DeployerDependencies, Deployer>,
  options: Record<string, unknown>,
  pair: IssuedCertificate,
): Promise<unknown> {
  const deployer = plugin.create(plugin.options.parse(options), dependencies("crash"));
  return await deployer
    .deploy({ pair, previous: null }, new AbortController().signal)
    .catch((error: unknown) => ({ code: toRenewalError(error).code }));
}

/** The same in a process of its own under strace, or "killed". */
async function deployInjected(
  kind: string,
  options: Record<string, unknown>,
  pair: IssuedCertificate,
  inject: string,
): Promise<unknown> {
  const tracing = ["-f", "-qq", "-e", `trace=${inject.split(":")[0]}`, "-e", `inject=${inject}`, "-o", "/dev/null"];
  // strace counts calls per thread; with one pool thread that is the order they are made in.
  const env = { ...process.env, UV_THREADPOOL_SIZE: "1" };
  const child = spawn("strace", [...tracing, process.execPath, SCRIPT], { stdio: ["pipe", "pipe", "inherit"], env });
  const failed = once(child, "error").then(([cause]) => {
    throw new Error("strace is not installed: run scripts/bootstrap.sh", { cause });
  });
  failed.catch(() => undefined);
  const exited = once(child, "close");
  exited.catch(() => undefined);
  const { privateKey, ...open } = pair;
  child.stdin.on("error", () => undefined);
  child.stdin.end(JSON.stringify({ kind, options, pair: { ...open, keyPem: privateKey.reveal() } }));
  const output = await Promise.race([text(child.stdout), failed]);
  await exited;
  return output === "" ? "killed" : JSON.parse(output);
}
