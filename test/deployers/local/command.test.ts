import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { runCommand } from "../../../src/deployers/local/command.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { until } from "../../support/until.ts";

const NEVER = new AbortController().signal;
const shell = (script: string, more: { timeoutMs?: number; secret?: Secret; env?: Record<string, string> } = {}) =>
  runCommand({ argv: ["sh", "-c", script], timeoutMs: 20_000, ...more }, NEVER);

describe("runCommand", () => {
  it("passes arguments as they are: nothing reaches a shell", async () => {
    const hostile = ["$(id)", "a;b", "`id`", "*", "-n", "new\nline", "'\""];
    const output = await runCommand(
      {
        argv: [process.execPath, "-e", "process.stdout.write(JSON.stringify(process.argv.slice(1)))", "--", ...hostile],
        timeoutMs: 20_000,
      },
      NEVER,
    );
    expect(JSON.parse(output)).toEqual(hostile);
  });

  it("hands on no environment but the documented one", async () => {
    process.env.RENEWD_TEST_PLANTED = "planted";
    try {
      const names = (await shell("env", { env: { RENEWD_TARGET: "t" } })).split("\n").map((line) => line.split("=")[0]);
      expect(names).toContain("RENEWD_TARGET");
      expect(names).toContain("PATH");
      expect(names).not.toContain("RENEWD_TEST_PLANTED");
    } finally {
      delete process.env.RENEWD_TEST_PLANTED;
    }
  });

  it.each([
    ["nothing", undefined],
    ["a text", new Secret("read me")],
  ])(
    "keeps a bash with %s to read from the user's ~/.bashrc, which it reads for a socket on stdin",
    async (_what, stdin) => {
      const home = await mkdtemp(join(tmpdir(), "renewd-command-"));
      onTestFinished(() => rm(home, { recursive: true }));
      await writeFile(join(home, ".bashrc"), "touch $HOME/marker\n");
      const command = { argv: ["bash", "-c", "cat"], env: { HOME: home }, timeoutMs: 20_000 };
      expect(await runCommand(stdin === undefined ? command : { ...command, stdin }, NEVER)).toBe(
        stdin?.reveal() ?? "",
      );
      expect(await readdir(home)).toEqual([".bashrc"]);
    },
  );

  it("writes more than a pipe holds to the command's stdin, and leaves nothing in the temporary directory", async () => {
    const mine = async (): Promise<string[]> =>
      (await readdir(tmpdir())).filter((name) => name.startsWith("renewd-stdin-"));
    const text = "line of a long text\n".repeat(20_000);
    const before = await mine();
    const command = { argv: ["sha256sum"], stdin: new Secret(text), timeoutMs: 20_000 };
    expect(await runCommand(command, NEVER)).toContain(createHash("sha256").update(text).digest("hex"));
    expect((await mine()).filter((name) => !before.includes(name))).toEqual([]);
  });

  it("does not wait for a command that leaves its stdin unread", async () => {
    const command = { argv: ["sh", "-c", "echo done"], stdin: new Secret("x".repeat(300_000)), timeoutMs: 20_000 };
    expect(await runCommand(command, NEVER)).toBe("done\n");
  });

  it("shows exit code and the end of stderr in one clean line", async () => {
    await expect(shell("printf 'first\\n\\033[31mred\\tline\\n' >&2; exit 7")).rejects.toMatchObject({
      code: "deploy.commandFailed",
      message: expect.stringMatching(/ended with exit code 7: first \uFFFD\[31mred line$/),
    });
  });

  it("bounds what a chatty command may say without blocking it", async () => {
    const error = await shell(
      "i=0; while [ $i -lt 20000 ]; do echo some words that fill the pipe >&2; i=$((i+1)); done; exit 1",
    ).catch((thrown: unknown) => thrown);
    expect(String(error).length).toBeLessThan(800);
    expect(String(error)).toContain("exit code 1");
  });

  it("never shows the secret a command printed", async () => {
    const secret = new Secret(
      "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\nZmFrZWtleWJvZHk\n-----END PRIVATE KEY-----\n",
    );
    const error = await shell('echo "$KEY" >&2; exit 1', { secret, env: { KEY: secret.reveal() } }).catch(
      (thrown: unknown) => thrown,
    );
    expect(String(error)).toContain("[not shown: it repeats a private key]");
    expect(String(error)).not.toContain("MIGHAgEAMBMG");
    expect(String(error)).not.toContain("ZmFrZWtleWJvZHk");
  });

  it("ends the whole process group on timeout", async () => {
    const error = await shell("sleep 300 & echo $!; wait", { timeoutMs: 300 }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "deploy.timeout", message: expect.stringContaining("0.3 s") });
  });

  it("leaves no child that ignores SIGTERM behind a leader that does not", async () => {
    const directory = await mkdtemp(join(tmpdir(), "renewd-command-"));
    onTestFinished(() => rm(directory, { recursive: true }));
    const pid = join(directory, "pid");
    const script = `(trap '' TERM; echo $BASHPID > ${pid}.new; mv ${pid}.new ${pid}; while :; do sleep 0.1; done) & wait`;
    const controller = new AbortController();
    const running = runCommand({ argv: ["bash", "-c", script], timeoutMs: 60_000 }, controller.signal);
    const ended = expect(running).rejects.toThrow("stopped");
    const child = Number(await until("the child to run", async () => readFile(pid, "utf8").catch(() => null)));
    controller.abort(new Error("stopped"));
    await ended;
    expect(child).toBeGreaterThan(1);
    await until("the child to be gone", async () => (existsSync(`/proc/${child}`) ? null : true), 5_000);
  });

  it("ends a command that ignores SIGTERM", async () => {
    const started = performance.now();
    await expect(shell("trap '' TERM; while :; do sleep 1; done", { timeoutMs: 200 })).rejects.toMatchObject({
      code: "deploy.timeout",
    });
    expect(performance.now() - started).toBeLessThan(15_000);
  });

  it("ends with the caller's reason when aborted", async () => {
    const controller = new AbortController();
    const reason = new Error("shutting down");
    const running = runCommand({ argv: ["sleep", "300"], timeoutMs: 20_000 }, controller.signal);
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
  });

  it("does not wait for a daemon the command left behind", async () => {
    const started = performance.now();
    expect(await shell("sleep 5 & echo up")).toBe("up\n");
    expect(performance.now() - started).toBeLessThan(4_000);
  });

  it("says that a command does not exist", async () => {
    await expect(runCommand({ argv: ["/no/such/command"], timeoutMs: 1_000 }, NEVER)).rejects.toMatchObject({
      code: "deploy.commandFailed",
      message: "cannot run `/no/such/command`: command not found",
    });
  });
});
