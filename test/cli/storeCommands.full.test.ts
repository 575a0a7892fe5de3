import { chmod, copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { backToFirstSchema } from "../store/olderSchema.ts";
import { DAY_MS, renewal, version } from "../support/model/facts.ts";
import { configText, createInstallation, type Installation, runCaptured } from "../support/system/installation.ts";
import { startRenewd } from "../support/system/renewd.ts";

let installation: Installation;
/** A second configuration beside the first, with an empty database and the same master key. */
let other: string;
beforeEach(async () => {
  installation = await createInstallation(configText(["www", "api"]));
  const now = Date.now();
  await installation.issue(
    version({ leaf: { ...version().leaf, notBefore: now - DAY_MS, notAfter: now + 89 * DAY_MS } }),
  );
  other = await configure("other.yaml", { dataDir: "other" });
});
afterEach(() => installation[Symbol.asyncDispose]());

const at = (name: string): string => join(installation.directory, name);

async function configure(name: string, sections: object): Promise<string> {
  const file = at(name);
  await writeFile(
    file,
    JSON.stringify({ ...JSON.parse(configText(["www", "api"])), masterKey: { file: "data/master.key" }, ...sections }),
  );
  return file;
}

const isThere = (name: string): Promise<boolean> =>
  stat(at(name)).then(
    () => true,
    () => false,
  );

describe("renewd store migrate", () => {
  test("tells the schema version before and after, in text and as JSON", async () => {
    const first = await runCaptured(["-c", other, "store", "migrate"]);
    expect(first).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/other\/renewd\.db: schema version 0 → \d+\n$/),
    });
    const second = await runCaptured(["-c", other, "store", "migrate", "--json"]);
    const { version: format, before, after } = JSON.parse(second.stdout);
    expect({ format, same: before === after && after >= 2 }).toEqual({ format: 1, same: true });
    expect((await runCaptured(["-c", other, "store", "migrate"])).stdout).toMatch(
      /schema version \d+, nothing to do\n$/,
    );
  });

  test("brings an older database up to date with all it holds", async () => {
    await backToFirstSchema(at("data/renewd.db"), at("scratch.db"));
    expect(await installation.run("store", "migrate")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("schema version 1 → "),
    });
    expect(await installation.store.certificates.get("www")).toMatchObject({ restoredAt: null, generationFloor: 0 });
  });

  test("refuses a database of a newer release", async () => {
    using database = new DatabaseSync(at("data/renewd.db"));
    database.exec("insert into kysely_migration (name, timestamp) values ('9999-later', '')");
    expect(await installation.run("store", "migrate")).toMatchObject({
      code: 3,
      stdout: "",
      stderr: expect.stringContaining("written by a newer renewd"),
    });
  });
});

describe("renewd store copy", () => {
  const copy = (...more: string[]) => installation.run("store", "copy", "--to-config", other, ...more);

  test("refuses while a process has the database open, however idle, unless forced", async () => {
    expect(await copy()).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining("stop every worker first"),
    });
    expect(await isThere("other/renewd.db")).toBe(false);
    expect(await copy("--force", "--json")).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("start the workers with"),
    });
    const again = await runCaptured(["-c", other, "certificates", "www", "--json"]);
    expect(JSON.parse(again.stdout)).toMatchObject({ certificates: [{ generation: 1 }] });
  });

  test("refuses while a lease is live, as after a crash", async () => {
    await installation.store.renewals.insert(renewal());
    await installation.store.renewals.claim(renewal().id, Date.now(), 60_000);
    await installation.store.close();
    expect(await copy()).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("in use (1 lease is held by workers)"),
    });
  });

  test("needs nothing but the certificates' owner to have stopped", async () => {
    await installation.store.close();
    expect(await copy()).toMatchObject({ code: 0, stdout: expect.stringContaining("2 certificates, 1 version, ") });
    expect(await copy()).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("is not empty") });
  });

  test("takes the source out of use, until it is reopened", async () => {
    await installation.store.close();
    await copy();
    for (const command of [["status"], ["renew", "www"], ["run"]])
      expect(await installation.run(...command)).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/renewd\.db was copied to .*other.*renewd\.db at .* `renewd store reopen`/s),
      });
    expect((await runCaptured(["-c", other, "certificates", "www"])).code).toBe(0);
    expect((await installation.run("store", "reopen")).stdout).toContain("in use again");
    expect((await installation.run("certificates", "www")).code).toBe(0);
    expect((await installation.run("store", "reopen")).stdout).toContain("was in use already");
  });

  test.each<[string, () => Promise<string>, number, string]>([
    ["that is missing", async () => at("nowhere.yaml"), 2, "nowhere.yaml"],
    ["that is broken", async () => configure("broken.yaml", { planer: {} }), 2, "unknown key"],
    ["of the same database", async () => installation.configFile, 2, "configures the same database"],
    [
      "without a master key",
      async () => configure("keyless.yaml", { dataDir: "keyless", masterKey: { file: "keyless/master.key" } }),
      2,
      "does not exist; copy the master key",
    ],
    [
      "with another master key",
      async () => {
        await writeFile(at("foreign.key"), `${Buffer.alloc(32, 7).toString("base64")}\n`, { mode: 0o600 });
        return configure("foreign.yaml", { dataDir: "foreign", masterKey: { file: "foreign.key" } });
      },
      2,
      "so both must have the same",
    ],
  ])("refuses a destination configuration %s", async (_, prepare, code, message) => {
    const destination = await prepare();
    await installation.store.close();
    const refused = await installation.run("store", "copy", "--to-config", destination);
    expect(refused).toMatchObject({ code, stdout: "", stderr: expect.stringContaining(message) });
    for (const made of ["keyless/master.key", "foreign/renewd.db"]) expect(await isThere(made)).toBe(false);
  });

  test("does not take a mistyped source for an empty installation", async () => {
    const empty = await configure("mistyped.yaml", { dataDir: "mistyped" });
    expect(await runCaptured(["-c", empty, "store", "copy", "--to-config", other])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("there is no database"),
    });
    expect(await isThere("mistyped")).toBe(false);
  });
});

describe("renewd backup and restore", () => {
  const backup = (...more: string[]) => installation.run("backup", at("b.renewd"), ...more);
  const restore = (config = other) => runCaptured(["-c", config, "restore", at("b.renewd")]);

  test("keep everything while a process has the database open, and say what to do next", async () => {
    const made = await backup();
    expect(made).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/b\.renewd: \d+ bytes with 2 certificates, 1 version, /),
    });
    expect(made.stderr).toMatch(/opens only with the master key with id [0-9a-f]{16}/);
    const restored = await restore();
    expect(restored).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/restored as of 20.*Z with 2 certificates, 1 version, /),
    });
    expect(restored.stderr).toContain("never put an older certificate over a newer");
    const plan = await runCaptured(["-c", other, "plan", "www", "--json"]);
    expect(JSON.parse(plan.stdout)).toMatchObject({ certificates: [{ heldBy: "restored" }] });
  });

  test("answer --json with a version", async () => {
    expect(JSON.parse((await backup("--json")).stdout)).toMatchObject({
      version: 1,
      rows: { certificates: 2 },
      masterKeyId: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    const { stdout } = await runCaptured(["-c", other, "restore", at("b.renewd"), "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({
      version: 1,
      cancelledRenewals: 0,
      rows: { versions: 1 },
      backupMadeAt: expect.stringMatching(/^20.*Z$/),
    });
  });

  test("a backup over an existing file needs --force", async () => {
    await writeFile(at("b.renewd"), "mine");
    expect(await backup()).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("exists already") });
    expect(await readFile(at("b.renewd"), "utf8")).toBe("mine");
    expect(await backup("--force")).toMatchObject({ code: 0 });
  });

  test("a mistyped configuration is not backed up as an empty installation", async () => {
    await rm(at("data"), { recursive: true });
    expect(await backup()).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("is this the right configuration?"),
    });
    expect(await isThere("data")).toBe(false);
    expect(await isThere("b.renewd")).toBe(false);
  });

  test("restoring without the master key makes no new one and says which is needed", async () => {
    await backup();
    const keyless = await configure("keyless.yaml", { dataDir: "keyless", masterKey: { file: "keyless/master.key" } });
    expect(await restore(keyless)).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining("put back the master key"),
    });
    expect(await isThere("keyless")).toBe(false);
    await mkdir(at("keyless"));
    await writeFile(at("keyless/master.key"), `${Buffer.alloc(32, 7).toString("base64")}\n`, { mode: 0o600 });
    expect(await restore(keyless)).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringMatching(/sealed under the master key with id .*\[store\.sealed\]/s),
    });
    expect(await isThere("keyless/renewd.db")).toBe(false);
  });

  test("a damaged file restores nothing and says so", async () => {
    await backup();
    const whole = await readFile(at("b.renewd"));
    await writeFile(at("b.renewd"), whole.subarray(0, whole.length - 100));
    const refused = await restore();
    expect(refused).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringMatching(/b\.renewd: is cut short or was altered.*\[backup\.damaged\]/s),
    });
    expect(await isThere("other/renewd.db")).toBe(false);
    expect(await readdir(at("other"))).toEqual([]);
  });

  test("restoring into a database that holds something is refused", async () => {
    await backup();
    expect(await installation.run("restore", at("b.renewd"))).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining("is not empty"),
    });
    expect(await installation.store.certificates.get("www")).toMatchObject({ restoredAt: null });
  });

  test("an option that does not exist and a missing file name end with code 2", async () => {
    expect(await installation.run("backup")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("missing required argument 'FILE'"),
    });
    expect(await installation.run("restore", "x", "--force")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("unknown option '--force'"),
    });
    expect(await installation.run("store", "copy")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("'--to-config <file>' not specified"),
    });
  });

  test("Ctrl-C during a backup leaves neither file nor traces", async () => {
    for (let n = 0; n < 60; n += 1) {
      await installation.store.transaction(async (tx) => {
        for (let i = 0; i < 500; i += 1) {
          await tx.events.append({
            at: n,
            type: "issue.started",
            certificate: "www",
            renewalId: null,
            target: null,
            detail: { filler: "x".repeat(500) },
          });
        }
      });
    }
    const before = await readdir(installation.directory);
    const running = startRenewd(["-c", installation.configFile, "backup", at("b.renewd")]);
    const appeared = async (): Promise<boolean> =>
      (await readdir(installation.directory)).some((name) => name.startsWith(".renewd-backup-"));
    while (!(await appeared())) expect(await Promise.race([running.exited, "running"])).toBe("running");
    running.kill("SIGINT");
    expect(await running.exited).toBe(130);
    expect(await readdir(installation.directory)).toEqual(before);
  });

  test("a backup made elsewhere and opened to others restores all the same", async () => {
    await backup();
    await copyFile(at("b.renewd"), at("copied"));
    await chmod(at("copied"), 0o644);
    expect(await runCaptured(["-c", other, "restore", at("copied")])).toMatchObject({ code: 0 });
  });
});

describe("renewd audit verify", () => {
  test("passes the history as it was written, and names what was changed behind renewd's back", async () => {
    await installation.run("pause", "www", "--reason", "x");
    await installation.run("resume", "www");
    expect(await installation.run("audit", "verify")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /renewd\.db: the history is whole: 2 events, the last is number 2\n {2}keep this elsewhere, for --head: 2:[\w-]{43}\n$/,
      ),
      stderr: "",
    });
    using database = new DatabaseSync(at("data/renewd.db"));
    database.exec("drop trigger events_no_update; drop trigger events_no_delete");
    database.exec(`update events set detail = '{"reason":"y"}' where seq = 1; delete from events where seq = 2`);
    expect(await installation.run("audit", "verify")).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(
        /changed behind renewd's back \(2 events\)\n {2}event 1 is not as it was written\n {2}event 2 is missing\n {2}what to do: /,
      ),
    });
    // Each audit is an event, too.
    const { stdout, code } = await installation.run("audit", "verify", "--json");
    const faults = [
      { kind: "altered", from: 1, to: 1 },
      { kind: "missing", from: 2, to: 2 },
    ];
    expect([code, JSON.parse(stdout)]).toMatchObject([
      1,
      { version: 1, events: 3, unsealed: 0, firstSealed: 1, last: 4, headProblem: null, faults },
    ]);

    const refused = await installation.run("audit", "accept", "--reason", "known", "--no-input");
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("event 2 is missing") });
    expect(await installation.run("audit", "accept", "--reason", "known", "--yes")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("accepted and recorded"),
    });
    expect(await installation.run("audit", "verify")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /the history is whole: 5 events, .*\n.*\n {2}accepted .*\(known\): 1-1 altered, 2-2 missing/,
      ),
    });
  });

  test("does not take a mistyped configuration for an installation without a fault", async () => {
    const empty = await configure("mistyped.yaml", { dataDir: "mistyped" });
    expect(await runCaptured(["-c", empty, "audit", "verify"])).toMatchObject({
      code: 3,
      stdout: "",
      stderr: expect.stringContaining("there is no database"),
    });
  });

  test("goes on being whole in a copy and in a restored backup", async () => {
    await installation.run("pause", "www", "--reason", "x");
    await installation.store.close();
    expect(await installation.run("store", "copy", "--to-config", other)).toMatchObject({ code: 0 });
    expect(await runCaptured(["-c", other, "audit", "verify"])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("whole: 1 event, the last is number 1"),
    });
    expect(await installation.run("backup", at("all.renewd"))).toMatchObject({ code: 0 });
    const third = await configure("third.yaml", { dataDir: "third" });
    expect(await runCaptured(["-c", third, "restore", at("all.renewd")])).toMatchObject({ code: 0 });
    expect(await runCaptured(["-c", third, "audit", "verify"])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("whole: 2 events"),
    });
  });
});
