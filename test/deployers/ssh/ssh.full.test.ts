import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { pairPem } from "../../../src/deployers/base/pairPem.ts";
import { quoteForShell } from "../../../src/deployers/ssh/command.ts";
import { ssh } from "../../../src/deployers/ssh/ssh.ts";
import type { DeployReceipt } from "../../../src/domain/deployment.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { DH_PARAMETERS } from "../../support/pairs/dhParameters.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { plantFiles } from "../../support/pairs/plantFiles.ts";
import { storedFingerprint } from "../../support/servers/served.ts";
import { type Sshd, startSshd } from "../../support/servers/sshd.ts";
import { loginTo, type Options, sshTarget } from "../../support/servers/sshTarget.ts";
import { until } from "../../support/until.ts";

const NEVER = new AbortController().signal;
const run = promisify(execFile);

deployerConformance("ssh", async () => {
  await using starting = new AsyncDisposableStack();
  const sshd = starting.use(await startSshd());
  const root = await mkdtemp(join(tmpdir(), "renewd-ssh-"));
  starting.defer(() => rm(root, { recursive: true }));
  const gate = join(root, "gate");
  await writeFile(gate, "exit 0");
  const stored = (certificate: string): Promise<string | null> =>
    storedFingerprint(join(root, certificate, "fullchain.pem"), join(root, certificate, "privkey.pem"));
  const layout = { directory: root, fullchain: "{certificate}/fullchain.pem", privkey: "{certificate}/privkey.pem" };
  const deployer = sshTarget({ ...loginTo(sshd), ...layout, command: ["sh", gate] }, { SSH_KEY: sshd.keys.login });
  const stack = starting.move();
  return {
    deployer,
    stored,
    served: stored,
    plant: (planted) => plantFiles(planted, join(root, "conform/fullchain.pem"), join(root, "conform/privkey.pem")),
    async repeats(text, onStderr) {
      await writeFile(join(root, "said"), text);
      await writeFile(gate, `cat ${root}/said ${onStderr ? ">&2" : ""}; exit 3`);
      return () => writeFile(gate, "exit 0");
    },
    async breakDown() {
      await writeFile(gate, `cat ${root}/conform/privkey.pem >&2; exit 3`);
      return { code: "deploy.commandFailed", mend: () => writeFile(gate, "exit 0") };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
});

describe("ssh", () => {
  let sshd: Sshd;
  let issuer: PairIssuer;
  let root: string;
  beforeAll(async () => {
    sshd = await startSshd();
    issuer = await createPairIssuer();
  });
  afterAll(() => sshd?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "renewd-ssh-"));
  });
  afterEach(() => rm(root, { recursive: true }));

  const issue = (generation: number) => issuer.issue({ certificate: "www", generation });
  const deploy = (
    options: Options,
    pair: IssuedCertificate,
    key = sshd.keys.login,
    signal = NEVER,
  ): Promise<DeployReceipt> =>
    sshTarget({ ...loginTo(sshd), directory: root, ...options }, { SSH_KEY: key }).deploy(
      { pair, previous: null },
      signal,
    );
  const read = (name: string) => readFile(join(root, name), "utf8");
  const pairFiles = { fullchain: "f.pem", privkey: "k.pem" };

  it("keeps the ACL of a key, and never lets a group read it that the ACL kept out", async () => {
    await deploy(pairFiles, await issue(1));
    const key = join(root, "k.pem");
    await run("chgrp", ["www-data", key]);
    await run("setfacl", ["-m", "u:games:r,g::---", key]);
    const acl = async () => (await run("getfacl", ["-cn", "--absolute-names", key])).stdout;
    const before = await acl();
    expect(await deploy(pairFiles, await issue(2))).not.toHaveProperty("note");
    expect(await acl()).toBe(before);
    // A key without an ACL keeps its group, and needs no note either.
    await run("setfacl", ["-b", key]);
    await run("chmod", ["640", key]);
    expect(await deploy(pairFiles, await issue(3))).not.toHaveProperty("note");
    expect((await stat(key)).mode & 0o7777).toBe(0o640);
  });

  const endless = (): string[] => [
    "sh",
    "-c",
    `echo $$ > ${root}/pid.new; mv ${root}/pid.new ${root}/pid; exec sleep 300`,
  ];
  /** A root sshd passes no signal on, so what a test started there it ends itself. */
  const endEndless = async (): Promise<void> => {
    // It may have been asked to start just when the test gave up on it.
    const pid = await until("the command to run", async () => read("pid").catch(() => null));
    process.kill(Number(pid), "SIGKILL");
  };

  it("writes each layout, hides what holds the key, and leaves nothing else behind but the generation", async () => {
    const pair = await issue(1);
    await deploy({ ...pairFiles, chain: "ch.pem", cert: "c.pem", bundle: "b.pem" }, await issue(0));
    await deploy({ ...pairFiles, chain: "ch.pem", cert: "c.pem", bundle: "b.pem" }, pair);
    const [key, leaf, chain] = [pair.privateKey.reveal(), pair.leafPem.trimEnd(), pair.chainPem.join("").trimEnd()];
    expect([await read("c.pem"), await read("ch.pem"), await read("f.pem")]).toEqual([
      `${leaf}\n`,
      `${chain}\n`,
      `${leaf}\n${chain}\n`,
    ]);
    expect([await read("k.pem"), await read("b.pem")]).toEqual([key, `${key}${leaf}\n${chain}\n`]);
    const modes = await Promise.all(
      ["f.pem", "k.pem", "b.pem"].map(async (name) => ((await stat(join(root, name))).mode & 0o777).toString(8)),
    );
    expect(modes).toEqual(["644", "600", "600"]);
    expect((await readdir(root)).sort()).toEqual([".k.pem.renewd.json", "b.pem", "c.pem", "ch.pem", "f.pem", "k.pem"]);
    expect(JSON.parse(await read(".k.pem.renewd.json"))).toMatchObject({
      certificate: "www",
      generation: 1,
      fingerprint: pair.leaf.fingerprint,
    });
  });

  it("keeps DH parameters that a file holds beside the pair", async () => {
    await deploy({ directory: root, bundle: "b.pem" }, await issue(1));
    await writeFile(join(root, "b.pem"), `${await read("b.pem")}${DH_PARAMETERS}`);
    for (const generation of [2, 3]) {
      const pair = await issue(generation);
      await deploy({ directory: root, bundle: "b.pem" }, pair);
      expect(await read("b.pem")).toBe(`${pairPem(pair).bundle}${DH_PARAMETERS}`);
    }
  });

  it("keeps mode and owner a file has, but never lets others read a key", async () => {
    const path = join(root, "k.pem");
    await writeFile(path, (await issue(1)).privateKey.reveal(), { mode: 0o640 });
    await run("chown", ["65534:1", path]);
    await deploy({ privkey: "k.pem" }, await issue(1));
    const { mode, uid, gid } = await stat(path);
    expect({ mode: mode & 0o777, uid, gid }).toEqual({ mode: 0o640, uid: 65534, gid: 1 });
    await deploy({ privkey: "k.pem", mode: "0400" }, await issue(2));
    expect((await stat(path)).mode & 0o777).toBe(0o400);
  });

  it("runs its command again only if a file changed, when just the target's definition did", async () => {
    const command = ["sh", "-c", `echo >> ${join(root, "ran")}`];
    const deployer = sshTarget(
      { ...loginTo(sshd), directory: root, ...pairFiles, command },
      { SSH_KEY: sshd.keys.login },
    );
    const request = { pair: await issue(1), onlyIfChanged: true };
    const signal = new AbortController().signal;
    const previous = await deployer.deploy({ ...request, previous: null }, signal);
    expect(await deployer.deploy({ ...request, previous }, signal)).toMatchObject({
      note: "no file changed, so the command was not run",
    });
    expect(await read("ran")).toBe("\n");
    await deployer.deploy({ ...request, previous, onlyIfChanged: false }, signal);
    expect(await read("ran"), "somebody asked for it").toBe("\n\n");
    await writeFile(join(root, "f.pem"), "other");
    await deployer.deploy({ ...request, previous }, signal);
    expect(await read("ran")).toBe("\n\n\n");
  });

  it("finds a mode that somebody widened, and heals it", async () => {
    const pair = await issue(1);
    await deploy(pairFiles, pair);
    await chmod(join(root, "k.pem"), 0o666);
    const deployer = sshTarget({ ...loginTo(sshd), directory: root, ...pairFiles }, { SSH_KEY: sshd.keys.login });
    const found = await deployer.inspect?.({ certificate: "www", previous: null }, NEVER);
    expect(found).toMatchObject({
      fingerprint: pair.leaf.fingerprint,
      problems: [`${join(root, "k.pem")} has mode 0666, but renewd wrote it with 0600`],
    });
    await deploy(pairFiles, pair);
    expect((await stat(join(root, "k.pem"))).mode & 0o777).toBe(0o600);
  });

  it("gives files to the owner and group by their names on the target", async () => {
    await deploy({ ...pairFiles, owner: "nobody", group: "www-data" }, await issue(1));
    const { uid, gid, mode } = await stat(join(root, "k.pem"));
    expect([uid, gid, mode & 0o777]).toEqual([65534, 33, 0o600]);
    await expect(deploy({ ...pairFiles, group: "no-such-group" }, await issue(2))).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("/etc/group has no no-such-group"),
    });
  });

  it("keeps a first pair when the command fails, which may be because of another that is missing", async () => {
    const pair = await issue(1);
    const failing = { ...pairFiles, command: ["false"] };
    await expect(deploy(failing, pair)).rejects.toMatchObject({ code: "deploy.commandFailed" });
    expect(await storedFingerprint(join(root, "f.pem"), join(root, "k.pem"))).toBe(pair.leaf.fingerprint);
  });

  it("tries in preflight what a deploy does up to the swap, and leaves nothing", async () => {
    const check = (options: Options) =>
      sshTarget({ ...loginTo(sshd), directory: root, ...options }, { SSH_KEY: sshd.keys.login }).preflight?.(
        "www",
        null,
        NEVER,
      );
    await check({ privkey: "{certificate}/k.pem", fullchain: "f.pem" });
    expect(await readdir(root)).toEqual([]);
    await symlink("/etc/hostname", join(root, "k.pem"));
    await expect(check(pairFiles)).rejects.toMatchObject({ message: expect.stringContaining("symbolic link") });
    expect(await readdir(root)).toEqual(["k.pem"]);
  });

  it("needs no shell where there is no command", async () => {
    const pair = await issue(1);
    await deploy(pairFiles, pair, sshd.keys.sftpOnly);
    expect(await storedFingerprint(join(root, "f.pem"), join(root, "k.pem"))).toBe(pair.leaf.fingerprint);
  });

  it("passes each word of the command to the program unchanged", async () => {
    const hostile = ["$(id)", "a;b", "`id`", "*", "-n", "new\nline", "'\"", "~", "", "A=b", "!!", "#"];
    const script = "require('node:fs').writeFileSync(process.argv[1], JSON.stringify(process.argv.slice(2)))";
    await deploy(
      { cert: "c.pem", command: [process.execPath, "-e", script, "--", join(root, "words"), ...hostile] },
      await issue(1),
    );
    expect(JSON.parse(await read("words"))).toEqual(hostile);
    expect(quoteForShell(["systemctl", "reload", "nginx"])).toBe("systemctl reload nginx");
    expect(quoteForShell(["A=b", "it's"])).toBe(`'A=b' 'it'\\''s'`);
  });

  it("restores the files when the command fails, and shows how much it printed, but nothing of it", async () => {
    const [old, pair] = [await issue(1), await issue(2)];
    await deploy(pairFiles, old);
    const command = ["sh", "-c", `cat ${root}/k.pem; echo syntax error; exit 4`];
    const error = await deploy({ ...pairFiles, chain: "ch.pem", command }, pair).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "deploy.commandFailed",
      message: expect.stringMatching(/ended with exit code 4: it printed \d+ bytes, not shown/),
    });
    expect(String(error)).not.toContain(pair.privateKey.reveal().split("\n")[1]);
    expect(await storedFingerprint(join(root, "f.pem"), join(root, "k.pem"))).toBe(old.leaf.fingerprint);
    expect(JSON.parse(await read(".k.pem.renewd.json"))).toMatchObject({ generation: 1 });
    expect((await readdir(root)).sort()).toEqual([".k.pem.renewd.json", "f.pem", "k.pem"]);
  });

  it("ends a command that takes too long, and restores the files", async () => {
    await deploy(pairFiles, await issue(1));
    const before = await read("f.pem");
    try {
      await expect(
        deploy({ ...pairFiles, command: endless(), commandTimeout: "1s" }, await issue(2)),
      ).rejects.toMatchObject({
        code: "deploy.timeout",
        message: expect.stringContaining("1.0 s"),
      });
      expect(await read("f.pem")).toBe(before);
    } finally {
      await endEndless();
    }
  });

  it("leaves the new pair complete when it is cancelled while the command runs", async () => {
    const [old, pair] = [await issue(1), await issue(2)];
    await deploy(pairFiles, old);
    const controller = new AbortController();
    const stop = new Error("stop");
    const running = deploy({ ...pairFiles, command: endless() }, pair, sshd.keys.login, controller.signal);
    running.catch(() => undefined);
    try {
      await until("the command to run", async () => stat(join(root, "pid")).catch(() => null));
      controller.abort(stop);
      await expect(running).rejects.toBe(stop);
      expect(await storedFingerprint(join(root, "f.pem"), join(root, "k.pem"))).toBe(pair.leaf.fingerprint);
    } finally {
      await endEndless();
    }
  });

  it("gives the command an empty standard input", async () => {
    await expect(
      deploy({ cert: "c.pem", command: ["cat"], commandTimeout: "20s" }, await issue(1)),
    ).resolves.toMatchObject({ generation: 1 });
  });

  it("writes nothing through a symbolic link out of its directory", async () => {
    const outside = await mkdtemp(join(tmpdir(), "renewd-outside-"));
    try {
      await writeFile(join(outside, "shadow"), "untouched");
      await symlink(outside, join(root, "www"));
      await symlink(join(outside, "shadow"), join(root, "link.pem"));
      for (const privkey of ["{certificate}/k.pem", "link.pem"]) {
        await expect(deploy({ privkey }, await issue(1))).rejects.toMatchObject({ code: "deploy.refused" });
      }
      expect(await readdir(outside)).toEqual(["shadow"]);
      expect(await readFile(join(outside, "shadow"), "utf8")).toBe("untouched");
    } finally {
      await rm(outside, { recursive: true });
    }
  });

  it("says which directory is missing, and creates only what is below the first placeholder", async () => {
    const missing = { directory: join(root, "missing"), cert: "c.pem" };
    const message = expect.stringContaining(`${join(root, "missing")}: no such file or directory`);
    await expect(deploy(missing, await issue(1))).rejects.toMatchObject({ code: "deploy.io", message });
    const deployer = sshTarget({ ...loginTo(sshd), ...missing }, { SSH_KEY: sshd.keys.login });
    await expect(deployer.preflight?.("www", null, NEVER)).rejects.toMatchObject({ code: "deploy.io", message });
    await deploy({ directory: root, cert: "{certificate}/deep/c.pem" }, await issue(1));
    expect(await readdir(join(root, "www", "deep"))).toContain("c.pem");
  });

  it("changes nothing in preflight", async () => {
    await mkdir(join(root, "d"));
    const deployer = sshTarget(
      { ...loginTo(sshd), directory: root, cert: "{certificate}/c.pem", command: ["touch", join(root, "ran")] },
      { SSH_KEY: sshd.keys.login },
    );
    await deployer.preflight?.("www", null, NEVER);
    expect(await readdir(root)).toEqual(["d"]);
  });

  it("removes the leftovers of an old crashed attempt, and no file of a running one", async () => {
    const [old, young] = [join(root, ".k.pem.renewd-0011.new"), join(root, ".k.pem.renewd-2233.new")];
    for (const path of [old, young]) await writeFile(path, "half a key");
    const hoursAgo = new Date(Date.now() - 2 * 3_600_000);
    await utimes(old, hoursAgo, hoursAgo);
    await deploy({ privkey: "k.pem" }, await issue(1));
    expect((await readdir(root)).sort()).toEqual([".k.pem.renewd-2233.new", ".k.pem.renewd.json", "k.pem"]);
  });

  it("occupies the paths it writes, on that machine", () => {
    const options = ssh.options.parse({
      ...loginTo(sshd),
      host: "Web1.example",
      port: 22,
      directory: "/etc/certs",
      fullchain: "{certificate}/f.pem",
    });
    expect(ssh.occupies?.(options, "www")).toEqual(["ssh://web1.example:22/etc/certs/www/f.pem"]);
  });

  it.each<[Options, string]>([
    [{ hostKey: undefined }, "hostKey"],
    [{ hostKey: "MD5:00:11" }, "ssh-keygen -lf"],
    [{ privateKey: "-----BEGIN OPENSSH PRIVATE KEY-----" }, "env:NAME"],
    [{ privateKey: undefined }, "give one of"],
    [{ password: "env:P" }, "give one of"],
    [{ privateKey: undefined, agentSocket: "/run/agent", passphrase: "env:P" }, "needs `privateKey`"],
    [{ host: "-oProxyCommand=id", user: "a b" }, "user name"],
    [{ host: "a b" }, "host name"],
    [{ fullchain: "relative.pem" }, "absolute"],
    [{ fullchain: undefined }, "at least one"],
    [{ command: ["echo", "\0"] }, "NUL"],
    [{ comand: [] }, "comand"],
  ])("refuses the options %j", (wrong, why) => {
    const options = {
      host: "h",
      user: "u",
      hostKey: "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
      privateKey: "env:K",
      fullchain: "/f.pem",
    };
    expect(ssh.options.safeParse(options).success).toBe(true);
    const result = ssh.options.safeParse({ ...options, ...wrong });
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
