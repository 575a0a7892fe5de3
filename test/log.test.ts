import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { RenewalError } from "../src/domain/errors.ts";
import { Secret } from "../src/domain/secret.ts";
import { createLog } from "../src/log.ts";
import { newKeyPem } from "./support/ca/pki.ts";

function logged(write: (log: ReturnType<typeof createLog>) => void): {
  text: string;
  lines: Record<string, unknown>[];
} {
  let text = "";
  const sink = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  write(createLog({ level: "debug", pretty: false }, sink));
  return {
    text,
    lines: text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  };
}

describe("the log", () => {
  it("is one JSON object a line with the worker, time, message and the fields it was given", () => {
    const { lines } = logged((log) => log.info({ certificate: "www", renewalId: "r-1", target: "lb" }, "deployed"));
    expect(lines).toEqual([
      expect.objectContaining({
        level: 30,
        certificate: "www",
        renewalId: "r-1",
        target: "lb",
        msg: "deployed",
        worker: expect.stringMatching(/.+\/\d+$/),
      }),
    ]);
    expect(Date.parse(String(lines[0]?.time))).not.toBeNaN();
  });

  const key = newKeyPem("ecdsa-p256");
  const body = key.split("\n")[1] ?? "";
  const redis = Object.assign(new Error("write failed"), { command: { name: "hset", args: ["job", key] } });
  const axios = Object.assign(new Error("401"), { config: { headers: { authorization: "Bearer planted-token" } } });

  it.each<[string, Record<string, unknown>, string]>([
    ["a Secret", { value: new Secret("planted-secret") }, "planted-secret"],
    ["a Secret inside an object", { pair: { privateKey: new Secret("planted-secret") } }, "planted-secret"],
    ["a key in a field", { note: key }, body],
    ["a key in a nested field", { a: { b: { c: { d: key } } } }, body],
    ["a key in an error's message", { err: new Error(`cannot parse ${key}`) }, body],
    ["a key cut off in the middle", { err: new Error(key.slice(0, 90)) }, key.slice(30, 80)],
    ["the arguments of a Redis command", { err: redis }, body],
    ["a request's headers", { err: axios }, "planted-token"],
    ["a password field", { options: { password: "planted-password" } }, "planted-password"],
    [
      "the password in a URL",
      { err: new RenewalError("store.unavailable", "postgres://renewd:planted-password@db:5432 is down") },
      "planted-password",
    ],
    [
      "a cause's URL password",
      { err: new RenewalError("queue.unavailable", "down", { cause: new Error("redis://:planted-password@r:1") }) },
      "planted-password",
    ],
    ["a key authorization", { challenge: { keyAuthorization: "planted.authorization" } }, "planted.authorization"],
  ])("never shows %s", (_what, fields, planted) => {
    const { text } = logged((log) => log.error(fields, "failed"));
    expect(text).toContain('"msg":"failed"');
    expect(text).not.toContain(planted);
  });

  it("keeps what helps: code, message and cause of our errors, the stack of foreign ones", () => {
    const { lines } = logged((log) => {
      log.warn(
        { err: new RenewalError("deploy.io", "disk full at /etc/certs", { cause: new Error("ENOSPC") }) },
        "deployment failed",
      );
      log.error({ err: new TypeError("x is not a function") }, "bug");
    });
    expect(lines[0]?.err).toEqual({ code: "deploy.io", message: "disk full at /etc/certs", cause: "ENOSPC" });
    expect(lines[1]?.err).toMatchObject({ type: "TypeError", stack: expect.stringContaining("log.test.ts") });
  });

  it("holds no character that a terminal acts on, neither raw nor in what a reader of its JSON prints", () => {
    const hostile = "a\u001b[31m\u0000\u007f\u009b1m\u202e\u2028\u200b\ud800 \\u001b gr\u00fcn\nb";
    const err = Object.assign(new Error(hostile), { stack: hostile });
    const { text, lines } = logged((log) => log.error({ err, endpoint: hostile, [hostile]: 1 }, hostile));
    expect(text.replace(/\n$/, "")).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
    const shown = "a\\x1b[31m\\x00\\x7f\\x9b1m\\u{202e}\\u{2028}\\u{200b}\\u{d800} \\u001b grün\nb";
    expect(lines).toEqual([expect.objectContaining({ msg: shown, endpoint: shown, [shown]: 1 })]);
    expect(lines[0]?.err).toMatchObject({ message: shown, stack: shown });
  });

  it("cannot be forged by a line break in a message", () => {
    const { lines } = logged((log) => log.info({ certificate: 'a\n{"msg":"forged"}' }, "one\ntwo"));
    expect(lines).toHaveLength(1);
  });
});
