// SFTP as a user who is not root: what it may not read, and whom it may not give files to.
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { type Sshd, startSshd } from "../../support/servers/sshd.ts";
import { loginTo, sshTarget } from "../../support/servers/sshTarget.ts";

const NEVER = new AbortController().signal;
const run = promisify(execFile);

describe("where the login is a plain user", () => {
  const games = 5;
  let sshd: Sshd;
  let issuer: PairIssuer;
  let root: string;
  let key: string;
  beforeAll(async () => {
    [sshd, issuer] = await Promise.all([startSshd(), createPairIssuer()]);
  });
  afterAll(() => sshd?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "renewd-ssh-"));
    key = join(root, "k.pem");
    await run("chmod", ["755", dirname(sshd.loginKeyFile)]);
    await run("chmod", ["644", join(dirname(sshd.loginKeyFile), "authorized_keys")]);
    await run("chown", ["games:games", root]);
    await run("chmod", ["755", root]);
  });
  afterEach(() => rm(root, { recursive: true }));

  const issue = (generation: number) => issuer.issue({ certificate: "www", generation });
  const login = () =>
    sshTarget(
      { ...loginTo(sshd), user: "games", directory: root, fullchain: "f.pem", privkey: "k.pem" },
      { SSH_KEY: sshd.keys.sftpOnly },
    );
  const plant = async (owner: string, mode: string): Promise<void> => {
    await writeFile(key, (await issue(9)).privateKey.reveal());
    await run("chown", [owner, key]);
    await run("chmod", [mode, key]);
  };

  it("puts a key of mode 0000 in place again, which it cannot read", async () => {
    await plant("games:games", "0000");
    const found = await login().inspect?.({ certificate: "www", previous: null }, NEVER);
    expect(found?.problems).toContain(`${key} holds no private key that can be read`);
    await expect(login().preflight?.("www", null, NEVER)).resolves.toBeUndefined();
    expect(await login().deploy({ pair: await issue(1), previous: null }, NEVER)).toMatchObject({ generation: 1 });
    expect((await stat(key)).mode & 0o7777).toBe(0o600);
  });

  it("fails before the swap where a group would lose the key, and says what to do", async () => {
    await plant("root:www-data", "0644");
    const message = "its group 33 could not read the new key, as the user of the login is no member of that group";
    const refusal = { code: "deploy.io", message: expect.stringContaining(message) };
    await expect(login().preflight?.("www", null, NEVER)).rejects.toMatchObject(refusal);
    await expect(login().deploy({ pair: await issue(1), previous: null }, NEVER)).rejects.toMatchObject(refusal);
    const { uid, gid } = await stat(key);
    expect([uid, gid]).toEqual([0, 33]);
    expect(await readdir(root)).toEqual(["k.pem"]);
  });

  it("says in preflight too that a file of somebody else stays", async () => {
    await writeFile(key, "-- notes of somebody --\n");
    const refusal = { code: "deploy.refused", message: expect.stringContaining("was not written by renewd") };
    await expect(login().preflight?.("www", null, NEVER)).rejects.toMatchObject(refusal);
    await expect(login().deploy({ pair: await issue(1), previous: null }, NEVER)).rejects.toMatchObject(refusal);
  });

  it("fails before the swap where the old owner is not in the group that may read the key", async () => {
    await plant("nobody:games", "0640");
    const refusal = {
      code: "deploy.io",
      message: expect.stringContaining("its owner 65534 could not read the new key"),
    };
    await expect(login().preflight?.("www", null, NEVER)).rejects.toMatchObject(refusal);
    await expect(login().deploy({ pair: await issue(1), previous: null }, NEVER)).rejects.toMatchObject(refusal);
    expect(await readdir(root)).toEqual(["k.pem"]);
  });

  it("says that nobody can tell whether an ACL is gone, where the account has SFTP alone", async () => {
    await plant("games:games", "0640");
    const receipt = await login().deploy({ pair: await issue(1), previous: null }, NEVER);
    expect(receipt.note).toMatch(/k\.pem: an ACL that it may have had is gone/);
    expect((await stat(key)).mode & 0o7777).toBe(0o640);
  });

  it("keeps the group of root's file where it is a member", async () => {
    await plant("root:games", "0640");
    await login().deploy({ pair: await issue(1), previous: null }, NEVER);
    const { uid, mode } = await stat(key);
    expect([uid, mode & 0o7777]).toEqual([games, 0o640]);
  });
});
