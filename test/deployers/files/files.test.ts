import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pairPem } from "../../../src/deployers/base/pairPem.ts";
import { files } from "../../../src/deployers/files/files.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { DH_PARAMETERS } from "../../support/pairs/dhParameters.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { plantFiles } from "../../support/pairs/plantFiles.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { storedFingerprint } from "../../support/servers/served.ts";

const NEVER = new AbortController().signal;

deployerConformance("files", async () => {
  const root = await mkdtemp(join(tmpdir(), "renewd-files-"));
  const gate = join(root, "gate");
  const stored = (certificate: string): Promise<string | null> =>
    storedFingerprint(join(root, certificate, "fullchain.pem"), join(root, certificate, "privkey.pem"));
  const fail = "cat $RENEWD_FILES >&2; exit 3";
  await writeFile(gate, "exit 0");
  return {
    deployer: make({
      directory: root,
      fullchain: "{certificate}/fullchain.pem",
      privkey: "{certificate}/privkey.pem",
      command: ["sh", gate],
    }),
    stored,
    served: stored,
    async repeats(text, onStderr) {
      await writeFile(join(root, "said"), text);
      await writeFile(gate, `cat ${root}/said ${onStderr ? ">&2" : ""}; exit 3`);
      return () => writeFile(gate, "exit 0");
    },
    plant: (planted) => plantFiles(planted, join(root, "conform/fullchain.pem"), join(root, "conform/privkey.pem")),
    async breakDown() {
      await writeFile(gate, fail);
      return { code: "deploy.commandFailed", mend: () => writeFile(gate, "exit 0") };
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
});

function make(options: Record<string, unknown>): Deployer {
  return files.create(files.options.parse(options), dependencies("disk"));
}

describe("files", () => {
  let root: string;
  let issuer: PairIssuer;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "renewd-files-"));
    issuer = await createPairIssuer();
  });
  afterEach(() => rm(root, { recursive: true }));

  const deploy = (options: Record<string, unknown>, pair: IssuedCertificate) =>
    make(options).deploy({ pair, previous: null }, NEVER);
  const issue = (generation: number) => issuer.issue({ certificate: "www", generation });

  it("writes each layout with what servers expect in it", async () => {
    const pair = await issue(1);
    const layout = { fullchain: "f.pem", privkey: "k.pem", chain: "ch.pem", cert: "c.pem", bundle: "b.pem" };
    await deploy({ directory: root, ...layout }, pair);
    const read = (name: string) => readFile(join(root, name), "utf8");
    const [key, leaf, chain] = [pair.privateKey.reveal(), pair.leafPem.trimEnd(), pair.chainPem.join("").trimEnd()];
    expect(await read("c.pem")).toBe(`${leaf}\n`);
    expect(await read("ch.pem")).toBe(`${chain}\n`);
    expect(await read("f.pem")).toBe(`${leaf}\n${chain}\n`);
    expect(await read("k.pem")).toBe(key);
    expect(await read("b.pem")).toBe(`${key}${leaf}\n${chain}\n`);
  });

  it("hides files with the key from everybody else, and no others", async () => {
    await deploy({ directory: root, fullchain: "f.pem", privkey: "k.pem", bundle: "b.pem" }, await issue(1));
    const modes = await Promise.all(
      ["f.pem", "k.pem", "b.pem"].map(async (name) => ((await stat(join(root, name))).mode & 0o777).toString(8)),
    );
    expect(modes).toEqual(["644", "600", "600"]);
  });

  it("keeps who may read a file unless told otherwise, but never lets others read a key", async () => {
    const path = join(root, "k.pem");
    await writeFile(path, (await issue(1)).privateKey.reveal(), { mode: 0o640 });
    await deploy({ privkey: path }, await issue(1));
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    await chmod(path, 0o644);
    await deploy({ privkey: path }, await issue(2));
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    await deploy({ privkey: path, mode: "0400" }, await issue(3));
    expect((await stat(path)).mode & 0o777).toBe(0o400);
  });

  it("leaves a file of somebody else as it is, and heals what was its own", async () => {
    const [key, chain] = [join(root, "k.pem"), join(root, "c.pem")];
    await writeFile(chain, "a note of somebody\n");
    const options = { privkey: key, fullchain: chain };
    await expect(deploy(options, await issue(1))).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining(`${chain} was not written by renewd`),
    });
    expect([(await readdir(root)).filter((name) => !name.startsWith(".")), await readFile(chain, "utf8")]).toEqual([
      ["c.pem"],
      "a note of somebody\n",
    ]);
    await rm(chain);
    await deploy(options, await issue(1));
    await writeFile(chain, "damaged");
    const pair = await issue(2);
    await deploy(options, pair);
    expect(await readFile(chain, "utf8")).toContain(pair.leafPem.trim());
  });

  it("gives files to the owner and group by name", async () => {
    await deploy({ directory: root, privkey: "k.pem", owner: "nobody", group: "daemon" }, await issue(1));
    const { uid, gid } = await stat(join(root, "k.pem"));
    expect({ uid, gid }).toEqual({ uid: 65534, gid: 1 });
  });

  it("refuses an owner that does not exist before writing anything", async () => {
    await expect(
      deploy({ directory: root, privkey: "k.pem", owner: "no-such-user" }, await issue(1)),
    ).rejects.toMatchObject({ code: "deploy.refused" });
    expect(await readdir(root)).toEqual([]);
  });

  it("leaves nothing behind but the files, the generation beside them and the lock", async () => {
    await deploy({ directory: root, fullchain: "f.pem", privkey: "k.pem" }, await issue(1));
    await deploy({ directory: root, fullchain: "f.pem", privkey: "k.pem" }, await issue(2));
    expect((await readdir(root)).sort()).toEqual([".k.pem.renewd.json", ".renewd.lock", "f.pem", "k.pem"]);
    expect(JSON.parse(await readFile(join(root, ".k.pem.renewd.json"), "utf8"))).toMatchObject({
      certificate: "www",
      generation: 2,
    });
  });

  it("keeps what PEM files hold beside the pair, such as DH parameters", async () => {
    const options = { directory: root, fullchain: "f.pem", bundle: "b.pem" };
    await deploy(options, await issue(1));
    for (const name of ["f.pem", "b.pem"])
      await writeFile(join(root, name), `${DH_PARAMETERS}${await readFile(join(root, name), "utf8")}`);
    for (const generation of [2, 3]) {
      const pair = await issue(generation);
      await deploy(options, pair);
      const { fullchain, bundle } = pairPem(pair);
      expect(await readFile(join(root, "f.pem"), "utf8")).toBe(`${fullchain}${DH_PARAMETERS}`);
      expect(await readFile(join(root, "b.pem"), "utf8")).toBe(`${bundle}${DH_PARAMETERS}`);
    }
  });

  it("removes what a crashed attempt left", async () => {
    await writeFile(join(root, ".k.pem.renewd-0011.new"), "half a key");
    await deploy({ directory: root, privkey: "k.pem" }, await issue(1));
    expect(await readdir(root)).not.toContain(".k.pem.renewd-0011.new");
  });

  it("finishes when a crash came between the two renames", async () => {
    const [old, pair] = [await issue(1), await issue(2)];
    const options = { directory: root, fullchain: "f.pem", privkey: "k.pem" };
    await deploy(options, pair);
    await writeFile(join(root, "f.pem"), old.leafPem);
    await deploy(options, pair);
    expect(await storedFingerprint(join(root, "f.pem"), join(root, "k.pem"))).toBe(pair.leaf.fingerprint);
  });

  it("heals a file somebody else changed although the generation is the same", async () => {
    const pair = await issue(1);
    await deploy({ directory: root, fullchain: "f.pem" }, pair);
    await writeFile(join(root, "f.pem"), "vandalised");
    await deploy({ directory: root, fullchain: "f.pem" }, pair);
    expect(await readFile(join(root, "f.pem"), "utf8")).toContain(pair.leafPem.trimEnd());
  });

  it("runs its command again only if a file changed, when just the target's definition did", async () => {
    const ran = join(root, "ran");
    const deployer = make({ directory: root, bundle: "b.pem", command: ["sh", "-c", `echo >> ${ran}`] });
    const pair = await issue(1);
    const runs = async (): Promise<number> => (await readFile(ran, "utf8")).length;
    const previous = await deployer.deploy({ pair, previous: null, onlyIfChanged: true }, NEVER);
    expect(await runs()).toBe(1);
    const receipt = await deployer.deploy({ pair, previous, onlyIfChanged: true }, NEVER);
    expect(receipt.note).toBe("no file changed, so the command was not run");
    expect(await runs()).toBe(1);
    await deployer.deploy({ pair, previous, onlyIfChanged: false }, NEVER);
    expect(await runs(), "somebody asked for it").toBe(2);
    await writeFile(join(root, "b.pem"), "other");
    await deployer.deploy({ pair, previous, onlyIfChanged: true }, NEVER);
    expect(await runs()).toBe(3);
    await deployer.deploy({ pair: await issue(2), previous, onlyIfChanged: true }, NEVER);
    expect(await runs()).toBe(4);
  });

  it("lets the pair issued later win when one generation has two, as after a restored database", async () => {
    const options = { directory: root, cert: "c.pem" };
    const hour = 3_600_000;
    const at = (ago: number) =>
      issuer.issue({ certificate: "www", generation: 1, notBefore: new Date(Date.now() - ago * hour) });
    const [earlier, first, later] = [await at(3), await at(2), await at(1)];
    await deploy(options, first);
    await expect(deploy(options, earlier)).rejects.toMatchObject({ code: "deploy.newerGeneration" });
    await deploy(options, later);
    expect(await readFile(join(root, "c.pem"), "utf8")).toContain(later.leafPem.trimEnd());
  });

  it.each(["k.pem", "f.pem"])(
    "holds nothing newer where %s was removed and only the record stayed",
    async (removed) => {
      const options = { directory: root, privkey: "k.pem", fullchain: "f.pem", chain: "chain.pem" };
      await deploy(options, await issue(2));
      await expect(deploy(options, await issue(1))).rejects.toMatchObject({ code: "deploy.newerGeneration" });
      await rm(join(root, "chain.pem"));
      await expect(deploy(options, await issue(1))).rejects.toMatchObject({ code: "deploy.newerGeneration" });
      await rm(join(root, removed));
      await deploy(options, await issue(1));
      expect(await readdir(root)).toContain(removed);
    },
  );

  it("never lets a reader see a torn bundle, however often it swaps", async () => {
    const path = join(root, "b.pem");
    await deploy({ bundle: path }, await issue(1));
    let swapping = true;
    const swaps = (async () => {
      for (let generation = 2; generation < 30; generation++) await deploy({ bundle: path }, await issue(generation));
      swapping = false;
    })();
    let reads = 0;
    for (; swapping; reads++) expect(await storedFingerprint(path)).not.toBeNull();
    await swaps;
    expect(reads).toBeGreaterThan(30);
  });

  it("ends with the newest when several generations are deployed at once", async () => {
    const options = { directory: root, fullchain: "f.pem", privkey: "k.pem" };
    const pairs = await Promise.all([1, 2, 3, 4, 5, 6].map(issue));
    const results = await Promise.allSettled(pairs.toReversed().map((pair) => deploy(options, pair)));
    expect(await storedFingerprint(join(root, "f.pem"), join(root, "k.pem"))).toBe(pairs[5]?.leaf.fingerprint);
    expect(results[0]?.status).toBe("fulfilled");
  });

  it("says which directory is missing, and creates only what lies below the first placeholder", async () => {
    await expect(deploy({ privkey: join(root, "missing", "{certificate}.pem") }, await issue(1))).rejects.toMatchObject(
      {
        code: "deploy.io",
        message: expect.stringContaining(`${join(root, "missing")}: no such file or directory`),
      },
    );
    await deploy({ privkey: join(root, "{certificate}", "deep", "key.pem") }, await issue(1));
    expect(await readdir(join(root, "www", "deep"))).toContain("key.pem");
  });

  it("writes nothing through a symbolic link out of its directory", async () => {
    const outside = await mkdtemp(join(tmpdir(), "renewd-outside-"));
    try {
      await writeFile(join(outside, "shadow"), "untouched");
      await symlink(outside, join(root, "www"));
      await symlink(join(outside, "shadow"), join(root, "link.pem"));
      for (const path of ["{certificate}/k.pem", "link.pem"]) {
        await expect(deploy({ directory: root, privkey: path }, await issue(1))).rejects.toMatchObject({
          code: "deploy.refused",
        });
      }
      expect(await readdir(outside)).toEqual(["shadow"]);
      expect(await readFile(join(outside, "shadow"), "utf8")).toBe("untouched");
    } finally {
      await rm(outside, { recursive: true });
    }
  });

  it("follows no link in place of its lock file", async () => {
    const outside = await mkdtemp(join(tmpdir(), "renewd-outside-"));
    try {
      await symlink(join(outside, "made"), join(root, ".renewd.lock"));
      await expect(deploy({ directory: root, privkey: "k.pem" }, await issue(1))).rejects.toMatchObject({
        code: "deploy.refused",
        message: expect.stringContaining(".renewd.lock is not a regular file"),
      });
      expect(await readdir(outside)).toEqual([]);
      expect(await readdir(root)).toEqual([".renewd.lock"]);
    } finally {
      await rm(outside, { recursive: true });
    }
  });

  it("follows no certificate name out of its directory", async () => {
    for (const certificate of ["../up", "..", "a/b", "a\nb", ""]) {
      const pair = { ...(await issue(1)), certificate };
      await expect(deploy({ directory: root, privkey: "{certificate}" }, pair)).rejects.toMatchObject({
        code: "deploy.refused",
      });
    }
    expect(await readdir(root)).toEqual([]);
  });

  it("changes nothing when one of the files cannot be written", async () => {
    const [old, pair] = [await issue(1), await issue(2)];
    const options = { directory: root, fullchain: "f.pem", privkey: "k.pem" };
    await deploy(options, old);
    await rm(join(root, "f.pem"));
    await symlink("/dev/full", join(root, "f.pem"));
    await expect(deploy(options, pair)).rejects.toMatchObject({ code: "deploy.refused" });
    expect(await readFile(join(root, "k.pem"), "utf8")).toBe(old.privateKey.reveal());
    expect(JSON.parse(await readFile(join(root, ".k.pem.renewd.json"), "utf8"))).toMatchObject({ generation: 1 });
  });

  it("occupies the paths it writes", () => {
    const options = files.options.parse({
      directory: "/etc/certs",
      fullchain: "{certificate}/f.pem",
      privkey: "/k/{certificate}",
    });
    expect(files.occupies?.(options, "www")).toEqual(["/etc/certs/k/www", "/etc/certs/www/f.pem"]);
  });

  it.each([
    [{}, "at least one"],
    [{ fullchain: "relative.pem" }, "absolute"],
    [{ fullchain: "/a/../b" }, "`..`"],
    [{ fullchain: "/a/{name}.pem" }, "placeholder"],
    [{ fullchain: "/a/b.pem", privkey: "/a/b.pem" }, "same file"],
    [{ fullchain: "/a/" }, "name a file"],
    [{ privkey: "/a", mode: "0644" }, "octal"],
    [{ privkey: "/a", command: "nginx -s reload" }, "expected"],
    [{ privkey: "/a", commandTimeout: "forever" }, "500ms"],
    [{ privkey: "/a", comand: [] }, "comand"],
  ])("refuses the options %j", (options, why) => {
    const result = files.options.safeParse(options);
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
