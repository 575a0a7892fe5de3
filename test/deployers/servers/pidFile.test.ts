import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { signalServer } from "../../../src/deployers/servers/pidFile.ts";
import { systemUser } from "../../support/system/systemUser.ts";

const NEVER = new AbortController().signal;

describe("the pid file of a server", () => {
  let home: string;
  let path: string;
  const started: ChildProcess[] = [];
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "renewd-pid-"));
    // One test below reads it as another user.
    await chmod(home, 0o755);
    path = join(home, "server.pid");
  });
  afterEach(() => {
    for (const child of started.splice(0)) child.kill("SIGKILL");
  });
  afterAll(() => rm(home, { recursive: true, force: true }));

  const server = async (as: { readonly uid?: number } = {}): Promise<ChildProcess> => {
    const child = spawn("sleep", ["600"], { ...as, stdio: "ignore" });
    started.push(child);
    await once(child, "spawn");
    return child;
  };

  it.each(["%\n", "%", "  %\n/var/lib/data\n5432\n"])(
    "leads the signal to the process, when it reads %j",
    async (layout) => {
      const child = await server();
      const exited = once(child, "exit");
      await writeFile(path, layout.replace("%", String(child.pid)));
      await expect.poll(() => signalServer({ path, programs: ["sleep"] }, 0, NEVER).then(() => "runs")).toBe("runs");
      await signalServer({ path, programs: ["sleep"] }, "SIGHUP", NEVER);
      expect(await exited).toEqual([null, "SIGHUP"]);
      await expect(signalServer({ path }, "SIGHUP", NEVER)).rejects.toMatchObject({
        code: "deploy.unreachable",
        message: expect.stringContaining("does not run"),
      });
    },
  );

  it.each(["", "0\n", "-1\n", "-%\n", "1x\n", "server\n1\n", "99999999999\n"])(
    "is refused when it reads %j, and nobody is signalled",
    async (content) => {
      const child = await server();
      await writeFile(path, content.replace("%", String(child.pid)));
      await expect(signalServer({ path }, "SIGKILL", NEVER)).rejects.toMatchObject({
        code: "deploy.unreachable",
        message: expect.stringContaining(path),
      });
      expect(child.exitCode ?? child.signalCode).toBeNull();
    },
  );

  it("is told to be missing, or not readable", async () => {
    const missing = join(home, "missing.pid");
    await expect(signalServer({ path: missing }, 0, NEVER)).rejects.toMatchObject({
      code: "deploy.unreachable",
      message: `there is no pid file ${missing}: start the server, or name the file it writes`,
    });
    await expect(signalServer({ path: home }, 0, NEVER)).rejects.toMatchObject({
      code: "deploy.io",
      message: expect.stringContaining(home),
    });
  });

  it("names a process of another user's: who may signal it is said", async () => {
    const before = process.geteuid?.() ?? 0;
    // Linux also lets the real user signal, which stays root here: so the process must be a third one's.
    const pid = before === 0 ? (await server({ uid: (await systemUser("nobody")).uid })).pid : 1;
    await writeFile(path, `${pid}\n`);
    if (before === 0) process.seteuid?.("daemon");
    try {
      await expect(signalServer({ path }, 0, NEVER)).rejects.toMatchObject({
        code: "deploy.forbidden",
        message: expect.stringContaining("as root"),
      });
    } finally {
      process.seteuid?.(before);
    }
  });

  it("is not read for a signal that was cancelled", async () => {
    const child = await server();
    await writeFile(path, `${child.pid}\n`);
    const stop = new Error("stop");
    await expect(signalServer({ path }, "SIGKILL", AbortSignal.abort(stop))).rejects.toBe(stop);
    expect(child.exitCode ?? child.signalCode).toBeNull();
  });
});
