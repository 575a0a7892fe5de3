// Who may read a key after a renewal, asked of the kernel: each reader is a process of that user.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { certbot } from "../../../src/deployers/files/certbot.ts";
import { files } from "../../../src/deployers/files/files.ts";
import { preserved } from "../../../src/deployers/local/fileAccess.ts";
import type { DeployReceipt } from "../../../src/domain/deployment.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import type { SystemUser } from "../../support/pairs/pairDirectory.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { systemUser } from "../../support/system/systemUser.ts";
import { until } from "../../support/until.ts";

const NEVER = new AbortController().signal;
const run = promisify(execFile);

describe("who may read a key", () => {
  let root: string;
  let issuer: PairIssuer;
  let service: SystemUser;
  let web: SystemUser;
  let nobody: SystemUser;
  beforeAll(async () => {
    issuer = await createPairIssuer();
    [service, web, nobody] = [await systemUser("games"), await systemUser("www-data"), await systemUser("nobody")];
  });
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "renewd-access-"));
    await chmod(root, 0o755);
  });
  afterEach(() => rm(root, { recursive: true }));

  const issue = (generation: number): Promise<IssuedCertificate> => issuer.issue({ certificate: "www", generation });
  const deploy = async (options: Record<string, unknown>, generation = 1): Promise<DeployReceipt> => {
    const deployer = files.create(files.options.parse({ directory: root, ...options }), dependencies("disk"));
    return await deployer.deploy({ pair: await issue(generation), previous: null }, NEVER);
  };
  const reads = (user: SystemUser, path: string): Promise<boolean> =>
    run("cat", [path], { uid: user.uid, gid: user.gid }).then(
      () => true,
      () => false,
    );
  const access = async (path: string): Promise<string> => {
    const { uid, gid, mode } = await stat(path);
    return `${uid}:${gid} ${(mode & 0o7777).toString(8)}`;
  };
  const writeKey = async (path: string, user: SystemUser, mode: number): Promise<void> => {
    await writeFile(path, (await issue(99)).privateKey.reveal());
    await chown(path, user.uid, user.gid);
    await chmod(path, mode);
  };
  /** As in issue 10, line 16: the mode says 0640, but the ACL keeps the group out and lets `games` in. */
  const writeKeyWithAcl = async (path: string): Promise<void> => {
    await writeKey(path, { uid: 0, gid: web.gid }, 0o600);
    await run("setfacl", ["-m", "u:games:r,g::---", path]);
    expect(await access(path)).toBe(`0:${web.gid} 640`);
    expect([await reads(service, path), await reads(web, path)]).toEqual([true, false]);
  };
  /** PATH with these programs only. */
  const onlyPrograms = async (...names: string[]): Promise<void> => {
    const directory = join(root, "bin");
    await mkdir(directory);
    for (const name of names) await symlink(`/bin/${name}`, join(directory, name));
    vi.stubEnv("PATH", directory);
    onTestFinished(() => void vi.unstubAllEnvs());
  };

  it("stays with the ACL: the service still reads the renewed key, and the group still does not", async () => {
    const key = join(root, "k.pem");
    await writeKeyWithAcl(key);
    const before = (await run("getfacl", ["-cn", "--absolute-names", key])).stdout;
    expect(await deploy({ privkey: "k.pem" })).not.toHaveProperty("note");
    expect([await reads(service, key), await reads(web, key)]).toEqual([true, false]);
    expect((await run("getfacl", ["-cn", "--absolute-names", key])).stdout).toBe(before);
  });

  it("is never wider where the ACL cannot be carried over, and the receipt says so", async () => {
    const key = join(root, "k.pem");
    await writeKeyWithAcl(key);
    await onlyPrograms("ls");
    const receipt = await deploy({ privkey: "k.pem" });
    expect(receipt.note).toMatch(
      /k\.pem: its ACL \(GNU cp is needed\) could not be kept; it belongs to 0:33 with mode 0600/,
    );
    vi.unstubAllEnvs();
    expect([await reads(service, key), await reads(web, key)]).toEqual([false, false]);
  });

  it("is not what the directory's default ACL gives to new files, where the old key had no ACL", async () => {
    const key = join(root, "k.pem");
    await writeKey(key, { uid: 0, gid: web.gid }, 0o640);
    await run("setfacl", ["-d", "-m", "u:games:r", root]);
    expect([await reads(service, key), await reads(web, key)]).toEqual([false, true]);
    expect(await deploy({ privkey: "k.pem" })).not.toHaveProperty("note");
    expect([await reads(service, key), await reads(web, key)]).toEqual([false, true]);
  });

  it("is asked of cp with SELinux' label only where there is SELinux", async () => {
    await writeFile(join(root, "enforce"), "1");
    expect(await preserved(join(root, "enforce"))).toBe("mode,xattr,context");
    expect(await preserved(join(root, "nothing"))).toBe("mode,xattr");
  });

  it("follows the mode that an option asks for, where the ACL cannot be carried over", async () => {
    await writeKey(join(root, "k.pem"), { uid: 0, gid: web.gid }, 0o600);
    await onlyPrograms("ls");
    await deploy({ privkey: "k.pem", mode: "0640" });
    expect(await access(join(root, "k.pem"))).toBe(`0:${web.gid} 640`);
  });

  it("keeps the extended attributes of every file", async () => {
    for (const name of ["k.pem", "f.pem"]) {
      await writeFile(join(root, name), "", { mode: 0o600 });
      await run("setfattr", ["-n", "user.owner", "-v", "team web", join(root, name)]);
    }
    await deploy({ privkey: "k.pem", fullchain: "f.pem" });
    for (const name of ["k.pem", "f.pem"]) {
      const { stdout } = await run("getfattr", ["--absolute-names", "-d", join(root, name)]);
      expect(stdout).toContain('user.owner="team web"');
    }
  });

  describe("that renewd made itself", () => {
    const key = (): string => join(root, "k.pem");
    /** Record and key are swapped in one go: what is changed later is seen. */
    const timePasses = async (): Promise<void> => {
      const { ctimeMs } = await stat(key());
      await until("the swap is over", async () => Date.now() - ctimeMs > 100 || null);
    };

    it("needs no program where there is nothing to carry over", async () => {
      await deploy({ privkey: "k.pem" });
      await onlyPrograms();
      // Without cp and ls the first attempt would say what it could not keep.
      expect(await deploy({ privkey: "k.pem" }, 2)).not.toHaveProperty("note");
      expect(await access(key())).toBe("0:0 600");
    });

    it("keeps the extended attributes that it got since", async () => {
      await deploy({ privkey: "k.pem" });
      await timePasses();
      await run("setfattr", ["-n", "user.owner", "-v", "team web", key()]);
      for (const generation of [2, 3]) {
        await deploy({ privkey: "k.pem" }, generation);
        const { stdout } = await run("getfattr", ["--absolute-names", "-d", key()]);
        expect(stdout).toContain('user.owner="team web"');
      }
    });

    it("keeps the extended attributes of a directory that was copied", async () => {
      await deploy({ privkey: "k.pem" });
      await timePasses();
      await run("setfattr", ["-n", "user.owner", "-v", "team web", key()]);
      await run("sh", ["-c", `cp -a ${root} ${root}.copy && rm -r ${root} && mv ${root}.copy ${root}`]);
      await deploy({ privkey: "k.pem" }, 2);
      const { stdout } = await run("getfattr", ["--absolute-names", "-d", key()]);
      expect(stdout).toContain('user.owner="team web"');
    });

    it("is not what the directory's default ACL gives since, with and without a right of the group", async () => {
      for (const mode of ["0600", "0640"]) {
        const options = { privkey: `${mode}.pem`, mode };
        await run("setfacl", ["-b", root]);
        await deploy(options);
        await run("setfacl", ["-d", "-m", "u:games:r", root]);
        await deploy(options, 2);
        expect([mode, await reads(service, join(root, `${mode}.pem`))]).toEqual([mode, false]);
      }
    });

    it("is written once for one pair", async () => {
      const pair = await issue(1);
      const deployer = files.create(files.options.parse({ directory: root, privkey: "k.pem" }), dependencies("disk"));
      await deployer.deploy({ pair, previous: null }, NEVER);
      const record = join(root, ".k.pem.renewd.json");
      const before = await Promise.all([key(), record].map((path) => stat(path)));
      await deployer.deploy({ pair, previous: null }, NEVER);
      const after = await Promise.all([key(), record].map((path) => stat(path)));
      expect(after.map(({ ino }) => ino)).toEqual(before.map(({ ino }) => ino));
    });
  });

  it("goes with certbot's key from one number to the next", async () => {
    const options = certbot.options.parse({ directory: root });
    const deployer = certbot.create(options, dependencies("disk"));
    await mkdir(join(root, "archive"));
    await deployer.deploy({ pair: await issue(1), previous: null }, NEVER);
    const key = (number: number): string => join(root, `archive/www/privkey${number}.pem`);
    await run("chgrp", ["www-data", key(1)]);
    await run("setfacl", ["-m", "u:games:r,g::---", key(1)]);
    await deployer.deploy({ pair: await issue(2), previous: null }, NEVER);
    expect(await readFile(key(2), "utf8")).not.toBe(await readFile(key(1), "utf8"));
    expect([await reads(service, key(2)), await reads(web, key(2))]).toEqual([true, false]);
  });

  it("comes for a new key from the keys beside it", async () => {
    await writeKey(join(root, "a.pem"), web, 0o440);
    await writeKey(join(root, "b.pem"), web, 0o440);
    // Neither a certificate nor another kind of file says who reads keys.
    await writeFile(join(root, "c.pem"), (await issue(98)).leafPem);
    await writeFile(join(root, "notes.txt"), "PRIVATE KEY-----");
    await deploy({ privkey: "k.pem" });
    expect(await access(join(root, "k.pem"))).toBe(`${web.uid}:${web.gid} 440`);
  });

  it("comes for a new key with the ACL of the key beside it", async () => {
    await writeKeyWithAcl(join(root, "a.pem"));
    await deploy({ privkey: "k.pem" });
    const key = join(root, "k.pem");
    expect([await reads(service, key), await reads(web, key)]).toEqual([true, false]);
  });

  it("comes for a new key from the same file in the directories of other certificates", async () => {
    await mkdir(join(root, "api"));
    await writeKey(join(root, "api/privkey.pem"), web, 0o400);
    await deploy({ privkey: "{certificate}/privkey.pem" });
    expect(await access(join(root, "www/privkey.pem"))).toBe(`${web.uid}:${web.gid} 400`);
  });

  it("is renewd's user alone for a new key when the keys beside it disagree", async () => {
    await writeKey(join(root, "a.pem"), web, 0o440);
    await writeKey(join(root, "b.pem"), service, 0o440);
    await deploy({ privkey: "k.pem" });
    expect(await access(join(root, "k.pem"))).toBe("0:0 600");
  });

  it.each([
    ["the group that may enter the directory", 0o750, "640"],
    ["nobody else where only its owner enters the directory", 0o700, "600"],
  ])("is for the first key %s", async (_who, mode, expected) => {
    await chown(root, 0, web.gid);
    await chmod(root, mode);
    await deploy({ privkey: "k.pem", fullchain: "f.pem" });
    expect(await access(join(root, "k.pem"))).toBe(`0:${web.gid} ${expected}`);
  });

  it("takes nothing from a directory that everybody may write to", async () => {
    await chown(root, service.uid, service.gid);
    await chmod(root, 0o1777);
    await deploy({ privkey: "k.pem" });
    expect(await access(join(root, "k.pem"))).toBe("0:0 600");
  });

  it("is the group when only `group` is given", async () => {
    await deploy({ privkey: "k.pem", group: "www-data" });
    expect(await access(join(root, "k.pem"))).toBe(`0:${web.gid} 640`);
  });

  /** A deploy by a plain user with these groups. Returns the receipt, or the error's code. */
  const deployAs = async (
    groups: readonly number[],
    options: Record<string, unknown>,
  ): Promise<Record<string, unknown>> => {
    const { privateKey, ...pair } = await issue(1);
    const task = { kind: "files", options: { directory: root, privkey: "k.pem", ...options } };
    const { uid, gid } = service;
    const user = [
      `--reuid=${uid}`,
      `--regid=${gid}`,
      groups.length === 0 ? "--clear-groups" : `--groups=${groups.join()}`,
    ];
    const program = [process.execPath, fileURLToPath(new URL("./deployOnce.ts", import.meta.url))];
    const child = spawn("setpriv", [...user, ...program], { stdio: ["pipe", "pipe", "inherit"] });
    child.stdin.end(JSON.stringify({ ...task, pair: { ...pair, keyPem: privateKey.reveal() } }));
    const [said] = await Promise.all([text(child.stdout), once(child, "exit")]);
    return JSON.parse(said);
  };

  describe("where renewd is a plain user", () => {
    let key: string;
    beforeEach(async () => {
      key = join(root, "k.pem");
      await chown(root, service.uid, service.gid);
    });

    it.each([{}, { group: "www-data" }])(
      "stays with the group of root's file that renewd is a member of: %j",
      async (more) => {
        await writeKey(key, { uid: 0, gid: web.gid }, 0o640);
        expect(await deployAs([web.gid], more)).toMatchObject({ generation: 1 });
        expect(await access(key)).toBe(`${service.uid}:${web.gid} 640`);
      },
    );

    it.each([
      ["the group could read it", { uid: 0, mode: 0o640 }, {}],
      ["another owner could read it", { uid: 33, mode: 0o600 }, {}],
      ["the options ask for a group of others", { uid: 0, mode: 0o600 }, { group: "www-data" }],
    ])(
      "fails before the swap where %s and would lose it, and where nobody knows what else is in it",
      async (_who, { uid, mode }, more) => {
        await writeKey(key, { uid, gid: web.gid }, mode);
        const before = await readFile(key, "utf8");
        expect(await deployAs([], { ...more, adopt: true })).toEqual({ code: "deploy.io" });
        expect(await deployAs([], more)).toEqual({ code: "deploy.refused" });
        expect([await readFile(key, "utf8"), await access(key)]).toEqual([
          before,
          `${uid}:${web.gid} ${mode.toString(8)}`,
        ]);
        expect((await readdir(root)).filter((name) => name.includes("renewd-"))).toEqual([]);
      },
    );

    it.each([
      ["by the mode", 0o640, []],
      ["by an entry of the ACL", 0o600, ["u:games:r"]],
      ["by an entry of the ACL, and the group does not", 0o600, ["u:games:r,g::---"]],
    ])(
      "is not taken from an owner who is in no group that reads it, where renewd reads it %s",
      async (_, mode, acl) => {
        await writeKey(key, { uid: nobody.uid, gid: service.gid }, mode);
        for (const entries of acl) await run("setfacl", ["-m", entries, key]);
        expect(await deployAs([], {})).toEqual({ code: "deploy.io" });
        expect(await reads(nobody, key)).toBe(true);
      },
    );

    it("stays with an owner who is in its group, or whom its ACL names", async () => {
      await writeKey(key, web, 0o640);
      expect(await deployAs([web.gid], {})).toMatchObject({ generation: 1 });
      expect(await reads(web, key)).toBe(true);
      await rm(key);
      await writeKey(key, { uid: nobody.uid, gid: service.gid }, 0o640);
      await run("setfacl", ["-m", `u:${nobody.uid}:r`, key]);
      expect(await deployAs([], {})).toMatchObject({ generation: 1 });
      expect(await reads(nobody, key)).toBe(true);
    });

    it("needs no group that could not read it either, as its ACL says", async () => {
      await writeKey(key, { uid: service.uid, gid: web.gid }, 0o600);
      await run("setfacl", ["-m", `u:${nobody.uid}:r,g::---`, key]);
      expect(await deployAs([], {})).toMatchObject({ generation: 1 });
      expect([await reads(nobody, key), await reads(web, key)]).toEqual([true, false]);
      expect(await access(key)).toBe(`${service.uid}:${service.gid} 640`);
    });

    it("stays where renewd could replace but not read the file", async () => {
      await writeKey(key, { uid: 0, gid: 0 }, 0o600);
      expect(await deployAs([], { mode: "0600" })).toEqual({ code: "deploy.refused" });
      expect(await access(key)).toBe("0:0 600");
    });

    it("is its owner's again after somebody made it 0000", async () => {
      await writeKey(key, service, 0o000);
      expect(await deployAs([], {})).toMatchObject({ generation: 1 });
      expect(await access(key)).toBe(`${service.uid}:${service.gid} 600`);
    });

    it("is what `mode` says where the group cannot be kept, and the receipt says so", async () => {
      await writeKey(key, { uid: service.uid, gid: web.gid }, 0o640);
      expect((await deployAs([], { mode: "0600" })).note).toContain(`group ${web.gid} could not be kept`);
      expect(await access(key)).toBe(`${service.uid}:${service.gid} 600`);
    });
  });

  it("is not touched where the file is mounted alone, which no rename can replace", async () => {
    const key = join(root, "k.pem");
    await writeKey(key, service, 0o600);
    await writeKey(join(root, "outside.pem"), service, 0o600);
    const { privateKey, ...pair } = await issue(1);
    const task = { kind: "files", options: { directory: root, privkey: "k.pem" } };
    const script = 'mount --bind "$1" "$2" && exec "$3" "$4"';
    const program = [process.execPath, fileURLToPath(new URL("./deployOnce.ts", import.meta.url))];
    const mounted = ["-m", "sh", "-c", script, "sh", join(root, "outside.pem"), key, ...program];
    const child = spawn("unshare", mounted, { stdio: ["pipe", "pipe", "inherit"] });
    child.stdin.end(JSON.stringify({ ...task, pair: { ...pair, keyPem: privateKey.reveal() } }));
    const [said] = await Promise.all([text(child.stdout), once(child, "exit")]);
    expect(JSON.parse(said)).toEqual({ code: "deploy.refused" });
    expect((await readdir(root)).filter((name) => name.includes("renewd-"))).toEqual([]);
  });
});
