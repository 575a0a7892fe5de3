import { mkdir, mkdtemp, readdir, readFile, readlink, realpath, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { certbot } from "../../../src/deployers/files/certbot.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { plantFiles } from "../../support/pairs/plantFiles.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { storedFingerprint } from "../../support/servers/served.ts";

const NEVER = new AbortController().signal;
const KINDS = ["cert", "chain", "fullchain", "privkey"];

function make(options: Record<string, unknown>): Deployer {
  return certbot.create(certbot.options.parse(options), dependencies("disk"));
}

deployerConformance("certbot", async () => {
  const root = await mkdtemp(join(tmpdir(), "renewd-certbot-"));
  const gate = join(root, "gate");
  const stored = (name: string) =>
    storedFingerprint(join(root, "live", name, "fullchain.pem"), join(root, "live", name, "privkey.pem"));
  await writeFile(gate, "exit 0");
  return {
    deployer: make({ directory: root, command: ["sh", gate] }),
    stored,
    served: stored,
    async repeats(text, onStderr) {
      await writeFile(join(root, "said"), text);
      await writeFile(gate, `cat ${root}/said ${onStderr ? ">&2" : ""}; exit 3`);
      return () => writeFile(gate, "exit 0");
    },
    plant: (planted) =>
      plantFiles(planted, join(root, "live/conform/fullchain.pem"), join(root, "live/conform/privkey.pem")),
    async breakDown() {
      await writeFile(gate, "cat $RENEWD_FILES >&2; exit 3");
      return { code: "deploy.commandFailed", mend: () => writeFile(gate, "exit 0") };
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
});

describe("certbot", () => {
  let root: string;
  let issuer: PairIssuer;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "renewd-certbot-"));
    issuer = await createPairIssuer();
  });
  afterEach(() => rm(root, { recursive: true }));

  const issue = (generation: number) => issuer.issue({ certificate: "www", generation });
  const deploy = (pair: IssuedCertificate, more: Record<string, unknown> = {}) =>
    make({ directory: root, ...more }).deploy({ pair, previous: null }, NEVER);
  const live = (kind: string) => join(root, "live", "www", `${kind}.pem`);
  const stored = () => storedFingerprint(live("fullchain"), live("privkey"));
  const links = () => Promise.all(KINDS.map((kind) => readlink(live(kind))));
  const linksTo = (number: number) => KINDS.map((kind) => `../../archive/www/${kind}${number}.pem`);
  /** A lineage as certbot leaves it. */
  const existing = async (number: number, pair: IssuedCertificate): Promise<void> => {
    for (const directory of ["live", "archive"])
      await mkdir(join(root, directory, "www"), { recursive: true, mode: 0o700 });
    const chain = pair.chainPem.join("");
    const contents: Record<string, string> = {
      cert: pair.leafPem,
      chain,
      fullchain: pair.leafPem + chain,
      privkey: pair.privateKey.reveal(),
    };
    for (const kind of KINDS) {
      await writeFile(join(root, "archive", "www", `${kind}${number}.pem`), contents[kind] ?? "");
      await symlink(`../../archive/www/${kind}${number}.pem`, live(kind));
    }
  };

  it("writes the four files under number 1 and links to them as certbot does", async () => {
    const pair = await issue(1);
    await deploy(pair);
    expect(await links()).toEqual(linksTo(1));
    const [leaf, chain] = [`${pair.leafPem.trimEnd()}\n`, `${pair.chainPem.join("").trimEnd()}\n`];
    expect(await Promise.all(KINDS.map((kind) => readFile(live(kind), "utf8")))).toEqual([
      leaf,
      chain,
      leaf + chain,
      pair.privateKey.reveal(),
    ]);
    const modes = await Promise.all(KINDS.map(async (kind) => ((await stat(live(kind))).mode & 0o777).toString(8)));
    expect(modes).toEqual(["644", "644", "644", "600"]);
  });

  it("goes on counting where certbot stopped, and again only for another pair", async () => {
    await existing(41, await issue(0));
    const pair = await issue(3);
    for (let attempt = 0; attempt < 2; attempt++) await deploy(pair);
    expect(await links()).toEqual(linksTo(42));
    await deploy(await issue(4));
    expect(await links()).toEqual(linksTo(43));
    expect(await readdir(join(root, "archive", "www"))).toContain("privkey41.pem");
  });

  it("runs its command again only if a file changed, when just the target's definition did", async () => {
    const ran = join(root, "ran");
    const deployer = make({ directory: root, command: ["sh", "-c", `echo >> ${ran}`] });
    const request = { pair: await issue(1), onlyIfChanged: true };
    const previous = await deployer.deploy({ ...request, previous: null }, NEVER);
    await deployer.deploy({ ...request, previous }, NEVER);
    expect(await readFile(ran, "utf8")).toBe("\n");
    await rm(live("cert"));
    await deployer.deploy({ ...request, previous }, NEVER);
    expect(await readFile(ran, "utf8")).toBe("\n\n");
  });

  it("keeps five earlier numbers as certbot does, and what else lies there", async () => {
    await existing(1, await issue(0));
    await writeFile(join(root, "archive", "www", "notes.txt"), "mine");
    for (let generation = 1; generation <= 7; generation++) await deploy(await issue(generation));
    const names = await readdir(join(root, "archive", "www"));
    const expected = [3, 4, 5, 6, 7, 8].flatMap((number) => KINDS.map((kind) => `${kind}${number}.pem`));
    expect(names.filter((name) => !name.startsWith(".")).sort()).toEqual([...expected, "notes.txt"].sort());
    expect(await links()).toEqual(linksTo(8));
  });

  it("finishes under the same number when a crash came between two files or two links", async () => {
    const [old, pair] = [await issue(1), await issue(2)];
    await deploy(old);
    await deploy(pair);
    for (const kind of ["cert", "fullchain"]) {
      await rm(live(kind));
      await symlink(`../../archive/www/${kind}1.pem`, live(kind));
    }
    await rm(join(root, "archive", "www", "fullchain2.pem"));
    await expect(stored()).rejects.toThrow("torn");
    await expect(deploy(old)).rejects.toMatchObject({ code: "deploy.newerGeneration" });
    await deploy(pair);
    expect(await links()).toEqual(linksTo(2));
    expect(await stored()).toBe(pair.leaf.fingerprint);
  });

  it("leaves a lineage alone that certbot renews", async () => {
    await existing(1, await issue(0));
    const before = await stored();
    await mkdir(join(root, "renewal"));
    await writeFile(join(root, "renewal", "www.conf"), "version = 2.1.0\n");
    const refused = { code: "deploy.refused", message: expect.stringContaining(join(root, "renewal", "www.conf")) };
    await expect(make({ directory: root }).preflight?.("www", null, NEVER)).rejects.toMatchObject(refused);
    await expect(deploy(await issue(1))).rejects.toMatchObject(refused);
    expect([await links(), await stored()]).toEqual([linksTo(1), before]);
    await deploy(await issue(1), { lineage: "{certificate}-renewd" });
    expect(await realpath(join(root, "live", "www-renewd", "cert.pem"))).toBe(
      join(await realpath(root), "archive", "www-renewd", "cert1.pem"),
    );
  });

  it("refuses where a file is in a link's place, and changes nothing", async () => {
    await existing(1, await issue(0));
    const before = await stored();
    await rm(live("chain"));
    await writeFile(live("chain"), "a file");
    await expect(deploy(await issue(1))).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("chain.pem is not a link"),
    });
    expect(await stored()).toBe(before);
    expect((await readdir(join(root, "archive", "www"))).sort()).toEqual(KINDS.map((kind) => `${kind}1.pem`));
    expect((await readdir(join(root, "live", "www"))).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("writes nothing through a link out of its directory", async () => {
    const outside = await mkdtemp(join(tmpdir(), "renewd-outside-"));
    try {
      await mkdir(join(root, "archive"));
      await symlink(outside, join(root, "archive", "www"));
      await expect(deploy(await issue(1))).rejects.toMatchObject({ code: "deploy.refused" });
      expect(await readdir(outside)).toEqual([]);
    } finally {
      await rm(outside, { recursive: true });
    }
  });

  it("says which directory is missing, and which user", async () => {
    await expect(deploy(await issue(1), { directory: join(root, "missing") })).rejects.toMatchObject({
      code: "deploy.io",
      message: expect.stringContaining("missing"),
    });
    await expect(deploy(await issue(1), { owner: "no-such-user" })).rejects.toMatchObject({ code: "deploy.refused" });
    expect(await readdir(root)).toEqual([]);
  });

  it.each([
    [{ directory: "relative" }, "absolute"],
    [{ directory: "/a/{certificate}" }, "placeholder"],
    [{ lineage: "a/b" }, "slash"],
    [{ lineage: ".." }, "`..`"],
    [{ lineage: "." }, "`.`"],
  ])("refuses the options %j", (wrong, why) => {
    const result = certbot.options.safeParse(wrong);
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
