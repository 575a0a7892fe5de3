// Modes that somebody gives a key by hand: found in an inspection, healed by a deploy, and never inherited.
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { certbot } from "../../../src/deployers/files/certbot.ts";
import { files } from "../../../src/deployers/files/files.ts";
import { narrowedMode } from "../../../src/deployers/local/attributes.ts";
import { refuseMountPoint } from "../../../src/deployers/local/mountPoint.ts";
import { envoy } from "../../../src/deployers/servers/envoy.ts";
import { traefik } from "../../../src/deployers/servers/traefik.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { until } from "../../support/until.ts";

const NEVER = new AbortController().signal;

describe("the mode of a key", () => {
  let root: string;
  let issuer: PairIssuer;
  beforeAll(async () => {
    issuer = await createPairIssuer();
  });
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "renewd-modes-"));
  });
  afterEach(() => rm(root, { recursive: true }));

  const issue = (generation: number) => issuer.issue({ certificate: "www", generation });
  const disk = (options: Record<string, unknown>): Deployer =>
    files.create(files.options.parse({ directory: root, ...options }), dependencies("disk"));
  const kinds: Record<string, () => readonly [Deployer, string]> = {
    files: () => [disk({ privkey: "k.pem", fullchain: "f.pem" }), join(root, "k.pem")],
    "files (bundle)": () => [disk({ bundle: "b.pem" }), join(root, "b.pem")],
    certbot: () => [
      certbot.create(certbot.options.parse({ directory: root }), dependencies("disk")),
      join(root, "live/www/privkey.pem"),
    ],
    envoy: () => [
      envoy.create(envoy.options.parse({ file: join(root, "sds.json") }), dependencies("disk")),
      join(root, "sds.json"),
    ],
    traefik: () => [
      traefik.create(
        traefik.options.parse({ file: join(root, "t.pem"), dynamicFile: join(root, "t.yml") }),
        dependencies("disk"),
      ),
      join(root, "t.pem"),
    ],
  };
  const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o7777).toString(8);

  it.each(Object.keys(kinds))("that somebody changed is found and healed (%s)", async (kind) => {
    const [deployer, key] = kinds[kind]?.() ?? expect.unreachable();
    const pair = await issue(1);
    const previous = await deployer.deploy({ pair, previous: null }, NEVER);
    const inspected = () => deployer.inspect?.({ certificate: "www", previous }, NEVER);
    expect(await inspected()).toMatchObject({ fingerprint: pair.leaf.fingerprint, problems: [] });
    for (const mode of kind === "files" ? [0o666, 0o777, 0o604, 0o660, 0o000] : [0o666]) {
      await chmod(key, mode);
      const shown = mode.toString(8).padStart(4, "0");
      expect(await inspected()).toMatchObject({
        fingerprint: pair.leaf.fingerprint,
        problems: [expect.stringContaining(`${key} has mode ${shown}`)],
      });
      await deployer.deploy({ pair, previous }, NEVER);
      expect(await modeOf(key)).toBe("600");
      expect((await inspected())?.problems).toEqual([]);
    }
  });

  it("is never inherited where everybody may use the key, and stays where only its group may", async () => {
    const key = join(root, "k.pem");
    const deployer = disk({ privkey: "k.pem", fullchain: "f.pem" });
    await deployer.deploy({ pair: await issue(1), previous: null }, NEVER);
    await chmod(key, 0o777);
    const receipt = await deployer.deploy({ pair: await issue(2), previous: null }, NEVER);
    expect(await modeOf(key)).toBe("600");
    await chown(key, 0, 33);
    await chmod(key, 0o640);
    expect((await deployer.inspect?.({ certificate: "www", previous: receipt }, NEVER))?.problems).toEqual([]);
    await deployer.deploy({ pair: await issue(3), previous: null }, NEVER);
    expect(await modeOf(key)).toBe("640");
  });

  it("of a key that renewd did not write loses what others have, and what its group may do beside reading", async () => {
    for (const [mode, expected] of [
      [0o666, "640"],
      [0o777, "640"],
      [0o644, "640"],
      [0o000, "600"],
    ] as const) {
      await writeFile(join(root, "old.pem"), (await issue(9)).privateKey.reveal());
      await chmod(join(root, "old.pem"), mode);
      await disk({ privkey: "old.pem" }).deploy({ pair: await issue(1), previous: null }, NEVER);
      expect(await modeOf(join(root, "old.pem"))).toBe(expected);
      await rm(join(root, ".old.pem.renewd.json"));
    }
  });

  it("is what `mode` asks for, and any wider one is found", async () => {
    const deployer = disk({ bundle: "b.pem", mode: "0440" });
    const previous = await deployer.deploy({ pair: await issue(1), previous: null }, NEVER);
    await chmod(join(root, "b.pem"), 0o640);
    const found = await deployer.inspect?.({ certificate: "www", previous }, NEVER);
    expect(found?.problems).toEqual([`${join(root, "b.pem")} has mode 0640, but renewd wrote it with 0440`]);
  });

  /** Each child of a large process costs milliseconds. */
  it("of the owner alone starts no program, and one that copies attributes where somebody changed some", async () => {
    const programs = join(root, "bin");
    const started = join(root, "started");
    await mkdir(programs);
    await writeFile(started, "");
    for (const name of ["cp", "ls", "getfacl", "getent", "id"])
      await writeFile(join(programs, name), `#!/bin/sh\necho ${name} >>${started}\nexec /bin/${name} "$@"\n`, {
        mode: 0o755,
      });
    vi.stubEnv("PATH", programs);
    onTestFinished(() => void vi.unstubAllEnvs());
    const target = disk({ bundle: "{certificate}.pem" });
    const deploy = async (certificate: string, generation: number) =>
      await target.deploy({ pair: await issuer.issue({ certificate, generation }), previous: null }, NEVER);
    await deploy("www", 1);
    await deploy("api", 1);
    expect(await readFile(started, "utf8")).toBe("");
    await deploy("api", 2);
    expect(await readFile(started, "utf8")).toBe("");
    const key = join(root, "api.pem");
    const { ctimeMs } = await stat(key);
    await until("the swap is over", async () => Date.now() - ctimeMs > 100 || null);
    await chmod(key, 0o600);
    await deploy("api", 3);
    expect(await readFile(started, "utf8")).toBe("cp\n");
  });
});

describe("files that somebody removed", () => {
  it("are put in place again by any generation, although the record beside them is left", async () => {
    const root = await mkdtemp(join(tmpdir(), "renewd-removed-"));
    const issuer = await createPairIssuer();
    const deployer = files.create(files.options.parse({ bundle: join(root, "b.pem") }), dependencies("disk"));
    await deployer.deploy({ pair: await issuer.issue({ certificate: "www", generation: 7 }), previous: null }, NEVER);
    await rm(join(root, "b.pem"));
    const pair = await issuer.issue({ certificate: "www", generation: 1 });
    await deployer.deploy({ pair, previous: null }, NEVER);
    expect(await readFile(join(root, "b.pem"), "utf8")).toContain(pair.leafPem.trimEnd());
    await rm(root, { recursive: true });
  });
});

describe("preflight of files", () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "renewd-preflight-"));
  });
  afterEach(() => rm(root, { recursive: true }));
  const check = (options: Record<string, unknown>): Promise<void> | undefined =>
    files
      .create(files.options.parse({ directory: root, ...options }), dependencies("disk"))
      .preflight?.("www", null, NEVER);

  it("leaves nothing but the lock, and no directory", async () => {
    await writeFile(join(root, "k.pem"), keyBlock("old"), { mode: 0o640 });
    await check({ privkey: "k.pem", fullchain: "{certificate}/f.pem" });
    expect((await readdir(root)).sort()).toEqual([".renewd.lock", "k.pem"]);
    expect(await readFile(join(root, "k.pem"), "utf8")).toBe(keyBlock("old"));
  });

  it("says what a deploy would refuse: a link out of the directory, something that is no file", async () => {
    await symlink("/etc/hostname", join(root, "link.pem"));
    await expect(check({ privkey: "link.pem" })).rejects.toMatchObject({
      message: expect.stringContaining("symbolic"),
    });
    await symlink("/dev/full", join(root, "device.pem"));
    await expect(check({ bundle: "device.pem" })).rejects.toMatchObject({ code: "deploy.refused" });
  });

  it.each([
    ["holds 2 private keys", `${keyBlock("a")}${keyBlock("b")}`],
    ["was not written by renewd", "-- notes of somebody --\n"],
  ])("says what a deploy would refuse: a file that %s", async (why, text) => {
    await writeFile(join(root, "k.pem"), text, { mode: 0o600 });
    const refusal = { code: "deploy.refused", message: expect.stringContaining(why) };
    await expect(check({ privkey: "k.pem" })).rejects.toMatchObject(refusal);
    expect(await readFile(join(root, "k.pem"), "utf8")).toBe(text);
  });

  it("says that a file which is mounted alone cannot be replaced", async () => {
    const mounts = (await readFile("/proc/self/mountinfo", "utf8")).trim().split("\n");
    const [mounted = "/"] = mounts.flatMap((line) => line.split(" ")[4] ?? []);
    const refusal = { code: "deploy.refused", message: expect.stringContaining("shown is a mount point") };
    expect(() => refuseMountPoint({ path: "shown", real: mounted })).toThrow(expect.objectContaining(refusal));
    expect(() => refuseMountPoint({ path: "shown", real: join(root, "k.pem") })).not.toThrow();
  });
});

it.each([
  [0o644, 0o644],
  [0o664, 0o644],
  [0o640, 0o600],
  [0o604, 0o604],
])("gives a group that came instead of another what everybody has: %o becomes %o", (mode, narrowed) => {
  expect(narrowedMode(mode)).toBe(narrowed);
});

function keyBlock(text: string): string {
  return `-----BEGIN PRIVATE KEY-----\n${Buffer.from(text).toString("base64")}\n-----END PRIVATE KEY-----\n`;
}
