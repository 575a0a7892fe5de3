import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { DeployReceipt } from "../../../src/domain/deployment.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { startPlainSftpServer } from "../../support/servers/plainSftpServer.ts";
import { type Sshd, startSshd } from "../../support/servers/sshd.ts";
import { loginTo, type Options, sshTarget } from "../../support/servers/sshTarget.ts";
import { until } from "../../support/until.ts";

const NEVER = new AbortController().signal;
const OTHER_KEY = `SHA256:${"A".repeat(43)}`;
const run = promisify(execFile);

describe("logging in by ssh", () => {
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

  it("accepts the host key as fingerprint, as public key, or as one of several", async () => {
    for (const [index, hostKey] of [sshd.fingerprint, sshd.hostKey, [OTHER_KEY, sshd.fingerprint]].entries()) {
      await expect(deploy({ hostKey, cert: "c.pem" }, await issue(index + 1))).resolves.toMatchObject({
        generation: index + 1,
      });
    }
  });

  it("sends nothing to a host with another key, and shows the offered key and what to do", async () => {
    const error = await deploy({ hostKey: OTHER_KEY, cert: "c.pem" }, await issue(1)).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining(`ssh-ed25519 ${sshd.fingerprint}`),
    });
    expect(String(error)).toContain("set `hostKey` to it");
    expect(await readdir(root)).toEqual([]);
  });

  it("says whose key the server refused", async () => {
    await expect(deploy({ cert: "c.pem" }, await issue(1), sshd.keys.stranger)).rejects.toMatchObject({
      code: "deploy.forbidden",
      message: expect.stringMatching(/^.+@127\.0\.0\.1:\d+ refused the private key: .*authorized_keys/),
    });
  });

  it("logs in with a key that has a passphrase, and says what is wrong with one it cannot use", async () => {
    const file = join(root, "locked");
    await copyFile(sshd.loginKeyFile, file);
    await run("chmod", ["600", file]);
    await run("ssh-keygen", ["-q", "-p", "-P", "", "-N", "open sesame", "-f", file]);
    const secrets = { SSH_KEY: await readFile(file, "utf8"), RIGHT: "open sesame", WRONG: "abracadabra" };
    const options = { ...loginTo(sshd), directory: root, cert: "c.pem" };
    const request = { pair: await issue(1), previous: null };
    await expect(
      sshTarget({ ...options, passphrase: "env:RIGHT" }, secrets).deploy(request, NEVER),
    ).resolves.toMatchObject({ generation: 1 });
    await expect(
      sshTarget({ ...options, passphrase: "env:WRONG" }, secrets).deploy(request, NEVER),
    ).rejects.toMatchObject({ code: "config.secret" });
    for (const key of [secrets.SSH_KEY, "no key at all", sshd.hostKey]) {
      await expect(sshTarget(options, { SSH_KEY: key }).deploy(request, NEVER)).rejects.toMatchObject({
        code: "config.secret",
      });
    }
  });

  it("lets an agent hold the key", async () => {
    const socket = join(root, "agent");
    const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
    try {
      await until("ssh-agent's socket", async () => stat(socket).catch(() => null));
      await run("ssh-add", ["-q", sshd.loginKeyFile], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
      const { privateKey: _, ...login } = loginTo(sshd);
      const deployer = sshTarget({ ...login, agentSocket: socket, directory: root, cert: "c.pem" }, {});
      await expect(deployer.deploy({ pair: await issue(1), previous: null }, NEVER)).resolves.toMatchObject({
        generation: 1,
      });
    } finally {
      await ended(agent);
    }
  });

  it("logs in with a password, and says when the server refuses it", async () => {
    await using server = await startPlainSftpServer({ user: "deploy", password: "correct horse" });
    const options = {
      host: "127.0.0.1",
      port: server.port,
      user: "deploy",
      hostKey: server.fingerprint,
      password: "env:PASSWORD",
      directory: "/certs",
      cert: "c.pem",
    };
    await expect(sshTarget(options, { PASSWORD: "wrong horse" }).preflight?.("www", null, NEVER)).rejects.toMatchObject(
      {
        code: "deploy.forbidden",
        message: expect.stringContaining("refused the password"),
      },
    );
    expect(server.logins).toBe(0);
    await sshTarget(options, { PASSWORD: "correct horse" })
      .preflight?.("www", null, NEVER)
      .catch(() => undefined);
    expect(server.logins).toBe(1);
  });

  it("refuses a server that cannot replace a file atomically", async () => {
    await using server = await startPlainSftpServer({ user: "deploy", password: "correct horse" });
    const options = {
      host: "127.0.0.1",
      port: server.port,
      user: "deploy",
      hostKey: server.fingerprint,
      password: "env:PASSWORD",
      directory: "/certs",
      cert: "c.pem",
    };
    await expect(
      sshTarget(options, { PASSWORD: "correct horse" }).preflight?.("www", null, NEVER),
    ).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("posix-rename@openssh.com"),
    });
  });
});

async function ended(child: ChildProcess): Promise<void> {
  const exit = once(child, "exit");
  child.kill("SIGTERM");
  await exit;
}
