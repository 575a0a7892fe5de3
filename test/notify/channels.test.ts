// Each kind of channel by itself, against a real receiver.
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { jsonDocuments } from "../../scripts/jsonDocuments.ts";
import { RenewalError } from "../../src/domain/errors.ts";
import type { Notification } from "../../src/domain/notification.ts";
import { Secret } from "../../src/domain/secret.ts";
import { command } from "../../src/notify/command.ts";
import { webhook } from "../../src/notify/webhook.ts";
import { newKeyPem } from "../support/ca/pki.ts";
import { pieceFinder } from "../support/pairs/keySpellings.ts";
import { startHook } from "../support/system/hook.ts";
import { RESPONSIBILITY } from "./responsibility.ts";

const NEVER = new AbortController().signal;
const NOTE: Notification = {
  id: "42",
  at: Date.UTC(2026, 0, 2),
  severity: "page",
  event: "renewal.held",
  certificate: "www",
  renewalId: "r-1",
  target: null,
  message: "www: renewal held: wave 1 of 2",
  action: "Fix it.",
  alert: "certificate/www",
  responsibility: RESPONSIBILITY,
  resolves: false,
};

describe("a webhook", () => {
  const sendTo = (url: string) =>
    webhook.create(webhook.options.parse({ url: "env:HOOK" }), { channel: "ops", secret: async () => new Secret(url) });

  test("gets the facts, a text for people, and an id that stays the same when it is sent twice", async () => {
    await using hook = await startHook();
    const send = sendTo(hook.url);
    await send(NOTE, NEVER);
    await send(NOTE, NEVER);
    expect(hook.taken[0]).toEqual({
      text: "[page] www: renewal held: wave 1 of 2\nWhat to do: Fix it.",
      severity: "page",
      message: NOTE.message,
      action: "Fix it.",
      at: "2026-01-02T00:00:00.000Z",
      id: "42",
      event: "renewal.held",
      certificate: "www",
      renewalId: "r-1",
      target: null,
      alert: "certificate/www",
      responsibility: NOTE.responsibility,
      resolves: false,
      key: "renewd-42",
    });
    expect(hook.taken[1]).toEqual(hook.taken[0]);
  });

  test("gets what happened at an instant that is no date, so that it does not block what comes after it", async () => {
    await using hook = await startHook();
    await sendTo(hook.url)({ ...NOTE, at: 9e18 }, NEVER);
    expect(hook.taken[0]).toMatchObject({ at: "+275760-09-13T00:00:00.000Z", id: "42" });
  });

  test("posts what the documented schema says: no member more, none less", async () => {
    await using hook = await startHook();
    await sendTo(hook.url)(NOTE, NEVER);
    await sendTo(hook.url)({ ...NOTE, event: "test", certificate: null, renewalId: null, action: null }, NEVER);
    const { schema } = jsonDocuments();
    const ajv = new Ajv2020({ strict: false, allErrors: true }).addSchema(schema, "documents");
    const validate = ajv.compile({ $ref: "documents#/$defs/NotificationBody", unevaluatedProperties: false });
    expect(hook.taken).toHaveLength(2);
    for (const { key, ...body } of hook.taken) {
      expect(validate(body), JSON.stringify(validate.errors)).toBe(true);
      expect(key).toBe(`renewd-${String(body.id)}`);
    }
    expect(validate({ ...NOTE, text: "" }), "the check itself").toBe(false);
  });

  test("cannot be made to mention people, link elsewhere or act in a terminal by what a stranger wrote", async () => {
    await using hook = await startHook();
    const message = `www: <!channel> <@U012> <users/all> <https://evil.test|ok> @everyone (@here) [ok](https://evil.test) ![](https://evil.test/x) <at>all</at> ops@example.org a&b \u001b[31m\u009b\u202e\n[page] forged`;
    await sendTo(hook.url)({ ...NOTE, message, action: "Ask <!here>." }, NEVER);
    expect(hook.taken[0]?.text).toBe(
      "[page] www: &lt;!channel&gt; &lt;＠U012&gt; &lt;users/all&gt; &lt;https://evil.test|ok&gt; ＠everyone (＠here) " +
        "[ok] (https://evil.test) ![] (https://evil.test/x) &lt;at&gt;all&lt;/at&gt; ops@example.org a&amp;b " +
        "\\x1b[31m\\x9b\\u{202e} [page] forged\nWhat to do: Ask &lt;!here&gt;.",
    );
    // For programs, as it was, but for what acts.
    expect(hook.taken[0]?.message).toMatch(/^www: <!channel> .* \\x1b\[31m\\x9b\\u\{202e\} \[page\] forged$/);
  });

  test.each([
    [500, "notify.failed", "answered 500"],
    [404, "notify.failed", "answered 404"],
    [302, "notify.failed", "answered 302"],
    [0, "notify.failed", "did not answer"],
    [400, "notify.refused", "answered 400"],
  ])("that answers %i is an error without its secret URL", async (status, code, said) => {
    await using hook = await startHook();
    hook.answer = status;
    const error = await sendTo(hook.url)(NOTE, NEVER).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, message: expect.stringContaining(said) });
    expect(String(error) + JSON.stringify(error)).not.toContain("s3cr3t");
    // A redirect is not followed.
    expect(hook.requests()).toBe(1);
  });

  test("is refused when its reference leads to no URL", async () => {
    const error = await sendTo("hooks.example.org")(NOTE, NEVER).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "config.secret" });
    expect(webhook.options.safeParse({ url: "https://hooks.example.org/s3cr3t" }).success).toBe(false);
  });
});

describe("a command", () => {
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "renewd-notify-"));
  });
  afterAll(() => rm(home, { recursive: true, force: true }));

  const script = async (name: string, body: string): Promise<string> => {
    const file = join(home, name);
    await writeFile(file, `#!/bin/sh\n${body}\n`);
    await chmod(file, 0o755);
    return file;
  };
  const sendBy = (...argv: [string, ...string[]]) =>
    command.create(command.options.parse({ command: argv }), {
      channel: "pager",
      secret: () => Promise.reject(new RenewalError("config.secret", "none")),
    });

  test("gets the message on standard input and the facts in its environment, and nothing else of ours", async () => {
    process.env.RENEWD_TEST_SECRET = "do not pass on";
    const file = await script("tell", `cat >"$1"; env >>"$1"`);
    await sendBy(file, join(home, "said"))(NOTE, NEVER);
    const said = await readFile(join(home, "said"), "utf8");
    expect(said).toMatch(/^www: renewal held: wave 1 of 2\nWhat to do: Fix it\.\n/);
    expect(said.split("\n")).toEqual(
      expect.arrayContaining([
        "RENEWD_SEVERITY=page",
        "RENEWD_EVENT=renewal.held",
        "RENEWD_CERTIFICATE=www",
        "RENEWD_RENEWAL=r-1",
      ]),
    );
    expect(said).not.toContain("do not pass on");
  });

  test("gets a message of one line without NUL, whatever a stranger wrote, and what it prints hides a key", async () => {
    const file = await script("hostile", `printf %s "$RENEWD_MESSAGE" >"$1"; echo "$KEY" >&2; cat >&2; exit 3`);
    const key = newKeyPem("ecdsa-p256");
    const note = { ...NOTE, message: `a\u0000b\nc \u001b[31m${key.slice(60, 120)}`, action: "x\ny" };
    const error = await sendBy(file, join(home, "hostile.seen"))(note, NEVER).catch((thrown: unknown) => thrown);
    expect(await readFile(join(home, "hostile.seen"), "utf8")).toMatch(/^a\\x00b c \\x1b\[31m[^\n]+$/);
    expect(String(error)).toContain("ended with exit code 3");
    expect(pieceFinder(key)(String(error))).toEqual([]);
  });

  test.each([
    [
      "ends badly",
      async () => [await script("bad", "echo no pager >&2; exit 3")] as [string],
      "ended with exit code 3: no pager",
    ],
    ["is not there", async () => [join(home, "nowhere")] as [string], "command not found"],
  ])("that %s is an error", async (_what, argv, said) => {
    await expect(sendBy(...(await argv()))(NOTE, NEVER)).rejects.toMatchObject({
      code: "notify.failed",
      message: expect.stringContaining(said),
    });
  });

  test("that is a bash does not run the user's ~/.bashrc, which it runs for a socket on stdin", async () => {
    const own = join(home, "own");
    await mkdir(own);
    await writeFile(join(own, ".bashrc"), "touch $HOME/marker\n");
    vi.stubEnv("HOME", own);
    onTestFinished(() => void vi.unstubAllEnvs());
    await sendBy("bash", "-c", "cat >$HOME/message")(NOTE, NEVER);
    expect((await readdir(own)).sort()).toEqual([".bashrc", "message"]);
    expect(await readFile(join(own, "message"), "utf8")).toContain("wave 1 of 2");
  });

  test("is ended when renewd stops", async () => {
    const stop = new AbortController();
    const file = await script("slow", `echo started >"$1"; exec sleep 60`);
    const sent = sendBy(file, join(home, "slow.started"))(NOTE, stop.signal);
    await expect.poll(() => readFile(join(home, "slow.started"), "utf8").catch(() => "")).toBe("started\n");
    stop.abort(new Error("stopping"));
    await expect(sent).rejects.toThrow("stopping");
  });
});
