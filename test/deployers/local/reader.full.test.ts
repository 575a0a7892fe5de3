// Which user a running server reads its key as, found among real processes.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, copyFile, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { haproxy } from "../../../src/deployers/haproxy/haproxy.ts";
import { requireSignal, runningReader } from "../../../src/deployers/local/reader.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import type { SystemUser } from "../../support/pairs/pairDirectory.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { type Haproxy, type HaproxyOptions, startHaproxy } from "../../support/servers/haproxy.ts";
import { servedFingerprint } from "../../support/servers/served.ts";
import { systemUser } from "../../support/system/systemUser.ts";

const NEVER = new AbortController().signal;

describe("the user of a running server", () => {
  let home: string;
  let name: string;
  let games: SystemUser;
  let web: SystemUser;
  beforeAll(async () => {
    [games, web] = [await systemUser("games"), await systemUser("www-data")];
  });
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "renewd-reader-"));
    await chmod(home, 0o755);
    // A name that no other process has: /proc shows 15 characters.
    name = home.slice(-10);
    await copyFile("/bin/sleep", join(home, name));
  });
  afterEach(() => rm(home, { recursive: true }));

  const start = async (user: SystemUser, ...words: string[]): Promise<number> => {
    const child: ChildProcess = spawn(join(home, name), ["300", ...words.map(() => "0")], { stdio: "ignore", ...user });
    onTestFinished(async () => {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    });
    await once(child, "spawn");
    return child.pid ?? 0;
  };

  it("is the user that started it, with the groups", async () => {
    const pid = await start(games);
    expect(await runningReader({ programs: [name] }, NEVER)).toEqual({
      uid: games.uid,
      gids: expect.arrayContaining([games.gid]),
      name: `games (${name}, process ${pid})`,
    });
  });

  it("may reload it, and root; for another user a preflight says so", async () => {
    const pid = await start(games);
    await expect(requireSignal({ programs: [name] }, NEVER)).resolves.toBeUndefined();
    process.seteuid?.("daemon");
    try {
      await expect(requireSignal({ programs: [name] }, NEVER)).rejects.toMatchObject({
        code: "deploy.forbidden",
        message: expect.stringContaining(`not allowed to signal ${name} (process ${pid})`),
      });
      await expect(requireSignal({ programs: ["no-such"] }, NEVER)).resolves.toBeUndefined();
    } finally {
      process.seteuid?.(0);
    }
  });

  it("is not known when it does not run, or when two run for two users", async () => {
    expect(await runningReader({ programs: [name] }, NEVER)).toBeNull();
    const pid = await start(games);
    await start(web);
    expect(await runningReader({ programs: [name] }, NEVER)).toBeNull();
    expect(await runningReader({ programs: [name], pid }, NEVER)).toMatchObject({ uid: games.uid });
    expect(await runningReader({ programs: [name], words: ["not there"] }, NEVER)).toBeNull();
  });
});

describe("a HAProxy that must read the key at its next start", () => {
  let issuer: PairIssuer;
  let games: SystemUser;
  beforeAll(async () => {
    issuer = await createPairIssuer();
    games = await systemUser("games");
  });

  const started = async (options: HaproxyOptions): Promise<Haproxy> => {
    const server = await startHaproxy(options);
    onTestFinished(() => server.stop());
    return server;
  };
  const make = (server: Haproxy, more: Record<string, unknown> = {}): Deployer =>
    haproxy.create(
      haproxy.options.parse({ socket: server.socket, file: `${server.directory}/{certificate}.pem`, ...more }),
      dependencies("lb"),
    );
  const request = async (generation: number) => ({
    pair: await issuer.issue({ certificate: "www", generation }),
    previous: null,
  });

  it("runs as a plain user: a new key belongs to that user, as the keys beside it, and it starts again", async () => {
    const server = await started({ user: games });
    const asked = await request(1);
    await make(server).deploy(asked, NEVER);
    const { uid, mode } = await stat(join(server.directory, "www.pem"));
    expect({ uid, mode: mode & 0o777 }).toEqual({ uid: games.uid, mode: 0o600 });
    await server.reload();
    expect(await servedFingerprint(server.port, "www.test")).toBe(asked.pair.leaf.fingerprint);
  });

  it("runs as a plain user who could not read it: nothing is swapped, and the message names user, file and fix", async () => {
    const server = await started({ user: games });
    // The keys beside it disagree, so nothing is taken over from them.
    const other = await issuer.issue({ certificate: "other", generation: 1 });
    await writeFile(join(server.directory, "other.pem"), other.privateKey.reveal(), { mode: 0o600 });
    const before = await readdir(server.directory);
    await expect(make(server).deploy(await request(1), NEVER)).rejects.toMatchObject({
      code: "deploy.io",
      message: expect.stringMatching(
        /www\.pem belongs to 0:0 with mode 0600, so games \(haproxy, process \d+\) cannot read it .*`owner`.*`group` and `mode`/,
      ),
    });
    expect((await readdir(server.directory)).filter((entry) => !entry.startsWith(".renewd"))).toEqual(before);
    await expect(servedFingerprint(server.port, "www.test")).resolves.not.toBe(other.leaf.fingerprint);
    const asked = await request(1);
    await make(server, { owner: "games" }).deploy(asked, NEVER);
    expect(await servedFingerprint(server.port, "www.test")).toBe(asked.pair.leaf.fingerprint);
  });

  it("is reported by an inspection when somebody has taken the right away", async () => {
    const server = await started({ user: games });
    const asked = await request(1);
    const previous = await make(server).deploy(asked, NEVER);
    const path = join(server.directory, "www.pem");
    const inspected = () => make(server).inspect?.({ certificate: "www", previous }, NEVER);
    expect(await inspected()).toMatchObject({ problems: [] });
    await chown(path, 0, 0);
    expect(await inspected()).toMatchObject({
      fingerprint: asked.pair.leaf.fingerprint,
      keyMatches: true,
      problems: [expect.stringMatching(/www\.pem belongs to 0:0 with mode 0600, so games .* cannot read it/)],
    });
  });

  it.each([
    ["a master of root's and workers of a plain user", {}],
    ["one process that gave up root after its start", { alone: true }],
  ])("runs as %s: root reads the key, so it may be root's alone", async (_how, more) => {
    const server = await started({ ...more, global: `uid ${games.uid}\n  gid ${games.gid}` });
    const asked = await request(1);
    await make(server).deploy(asked, NEVER);
    const { uid, mode } = await stat(join(server.directory, "www.pem"));
    expect({ uid, mode: mode & 0o777 }).toEqual({ uid: 0, mode: 0o600 });
    expect(await servedFingerprint(server.port, "www.test")).toBe(asked.pair.leaf.fingerprint);
  });
});
