import { writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { configText, createInstallation, type Installation } from "../support/system/installation.ts";

let installation: Installation;
beforeEach(async () => {
  installation = await createInstallation(configText(["www"]));
});
afterEach(() => installation[Symbol.asyncDispose]());

const history = async () => JSON.parse((await installation.run("history", "--json")).stdout).decisions;

describe("what people decided", () => {
  test("is in history with who, when, why and until when", async () => {
    await installation.run("pause", "www", "--reason", "migration", "--until", "2999-01-01");
    await installation.run("resume", "www");
    expect(await history()).toMatchObject([
      { type: "certificate.resumed", certificate: "www", by: expect.stringContaining("@") },
      {
        type: "certificate.paused",
        certificate: "www",
        by: expect.stringContaining("@"),
        why: "migration",
        until: "2999-01-01T00:00:00.000Z",
        at: expect.stringMatching(/^\d{4}-.*Z$/),
      },
    ]);
    const text = (await installation.run("history", "www")).stdout;
    expect(text).toMatch(/www +paused until 2999-01-01 00:00:00Z: migration, by \S+@/);
  });

  test("a refused request is there once a minute, with the reason", async () => {
    const text = configText(["www", "new"]);
    await writeFile(installation.configFile, text);
    for (let times = 0; times < 2; times++) {
      const { code, stderr } = await installation.run("renew", "new");
      expect([code, stderr]).toEqual([2, expect.stringContaining("no planner has seen it yet")]);
    }
    const refused = (await history()).filter(({ type }: { type: string }) => type === "request.refused");
    expect(refused).toMatchObject([{ certificate: "new", why: expect.stringContaining("no planner has seen it yet") }]);
  });
});

describe("a finding that was seen", () => {
  const failing = {
    failures: 2,
    lastErrorCode: "acme.caa",
    lastErrorMessage: "CAA forbids it",
    nextAttemptAt: Date.now() + 3_600_000,
  };
  const trouble = async () => JSON.parse((await installation.run("status", "--json")).stdout).problems[0];

  test("needs nobody until then, still shows why, and can be withdrawn", async () => {
    await installation.store.certificates.update("www", failing);
    expect((await trouble()).needsPerson).toBe(true);
    const done = await installation.run("acknowledge", "www", "--reason", "DNS team is on it", "--until", "2d");
    expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining("www is acknowledged until") });
    expect(await trouble()).toMatchObject({
      needsPerson: false,
      acknowledged: { reason: "DNS team is on it", by: expect.stringContaining("@") },
    });
    expect((await installation.run("status")).stdout).toContain("DNS team is on it");
    expect((await history())[0]).toMatchObject({ type: "problem.acknowledged", why: "DNS team is on it" });
    await installation.run("acknowledge", "www", "--withdraw");
    expect((await trouble()).needsPerson).toBe(true);
  });

  test("is red again when another kind of problem joins it", async () => {
    await installation.store.certificates.update("www", failing);
    await installation.run("acknowledge", "www", "--reason", "known");
    await installation.store.certificates.update("www", {
      planFailures: 1,
      planErrorCode: "store.altered",
      planErrorMessage: "altered",
    });
    expect(await trouble()).toMatchObject({ needsPerson: true, acknowledged: null });
  });

  test.each([
    ["a name without a finding", ["acknowledge", "www", "--reason", "x"], "is no finding of `renewd status`"],
    ["no reason", ["acknowledge", "www"], "--reason: must say why, in 1 to 200 characters"],
    ["nothing to withdraw", ["acknowledge", "www", "--withdraw"], '"www" is not acknowledged'],
  ])("%s is refused", async (_, args, message) => {
    const { code, stderr } = await installation.run(...args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});
