import { existsSync } from "node:fs";
import { chmod, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { renewal, version } from "../support/model/facts.ts";
import { configText, createInstallation, type Installation, runCaptured } from "../support/system/installation.ts";

let installation: Installation;
beforeEach(async () => {
  installation = await createInstallation(configText(["www", "api"]));
});
afterEach(() => installation[Symbol.asyncDispose]());

const COMMANDS = [
  ["status"],
  ["certificates"],
  ["certificates", "www"],
  ["plan"],
  ["plan", "www"],
  ["history"],
  ["history", "www", "--failed"],
  ["targets"],
  ["solvers"],
  ["config", "check"],
  ["challenges", "--own"],
  ["errors"],
  ["errors", "acme.budget"],
  ["audit", "verify"],
];

describe("every command", () => {
  test.each([...COMMANDS, ["pause", "www", "--reason", "x"], ["resume", "www"]])(
    "%s %s answers --json with a version on stdout",
    async (...args) => {
      const { stdout, code } = await installation.run(...args, "--json");
      expect(JSON.parse(stdout)).toMatchObject({ version: expect.any(Number) });
      expect(Object.values(EXIT).map((each) => each.code)).toContain(code);
    },
  );

  test.each(COMMANDS)("%s %s answers in text, the same with --json before it", async (...args) => {
    const text = await installation.run(...args);
    expect(text.stdout).toMatch(/\S/);
    expect(text.stderr).toBe("");
    const json = await installation.run("--json", ...args);
    expect(JSON.parse(json.stdout)).toMatchObject({ version: expect.any(Number) });
    expect(json.code).toBe(text.code);
  });

  test("audit verify does not make whole what it found: of a history that is gone no other one begins", async () => {
    const codes = [await installation.run("audit", "verify"), await installation.run("audit", "verify")];
    expect(codes.map(({ code }) => code)).toEqual([1, 1]);
    expect(await installation.store.events.list({ limit: 1 })).toEqual([]);
  });

  test("config schema prints a JSON Schema", async () => {
    const { stdout, code } = await installation.run("config", "schema");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      $schema: expect.stringContaining("json-schema.org"),
      title: "renewd configuration",
    });
  });
});

describe("a mistyped command line", () => {
  test.each([
    ["an unknown command", ["statsu"], "Did you mean status?"],
    ["an unknown option", ["status", "--jsn"], "Did you mean --json?"],
    [
      "a mistyped part of challenges",
      ["challenges", "deleagte", "www"],
      '"deleagte" is no command of `renewd challenges`, did you mean "delegate"?',
    ],
    ["a mistyped part of alerts", ["alerts", "acknowlege", "1"], 'did you mean "acknowledge"?'],
    ["a mistyped part of inventory", ["inventory", "adpot"], 'did you mean "adopt"?'],
    ["an argument too many", ["challenges", "www", "api"], "list`: 2, where 1 can be"],
    ["a missing argument", ["renew"], "missing required argument 'NAME'"],
    ["a missing reason", ["pause", "www"], "'--reason <text>' not specified"],
    ["a role that is none", ["worker", "plannr"], "Allowed choices are planner, acme, deployer, verifier"],
    ["a limit that is none", ["history", "--limit", "many"], "It must be a number from 1 to 1000"],
    ["a limit without end", ["history", "--limit", "99999"], "It must be a number from 1 to 1000"],
    [
      "a malformed --since",
      ["history", "--since", "last week"],
      '--since: "last week" is neither a duration such as 7d, 12h or 30m nor a date',
    ],
    [
      "a --until that has passed",
      ["pause", "www", "--reason", "x", "--until", "2020-01-01"],
      '--until: "2020-01-01" is not in the future',
    ],
    ["a --timeout that is none", ["renew", "www", "--timeout", "soon"], '--timeout: "soon" is not a duration'],
    ["an unknown certificate", ["renew", "wwww"], 'certificate "wwww" is not configured, did you mean "www"?'],
    ["a name that it is for", ["renew", "www.example.org"], 'not configured, but it is a name in certificate "www"'],
    ["a name whose past is asked for", ["history", "WWW.example.org"], 'known, but it is a name in certificate "www"'],
    ["an unknown certificate to look at", ["certificates", "ap"], 'did you mean "api"?'],
    ["an unknown certificate to plan", ["plan", "nothing-like-it"], 'known: "www", "api"'],
    ["an unknown certificate's history", ["history", "wvw"], 'did you mean "www"?'],
    ["an unknown issuer", ["account", "show", "cs"], 'issuer "cs" is not configured'],
    [
      "an account that was never registered",
      ["account", "rollover", "ca"],
      "has no account yet: its first order registers one",
    ],
    [
      "records for an account that there is not",
      ["challenges", "persist", "www"],
      'issuer "ca" has no account yet, which the records name: give --register',
    ],
    [
      "a deactivation that may be a slip",
      ["account", "deactivate", "ca"],
      "--yes: deactivating an account cannot be undone",
    ],
    ["an empty renewal", ["show", ""], "renewal: give its id, the beginning of it, or a certificate's name"],
    ["a certificate without a renewal", ["show", "www"], 'certificate "www" has had none yet'],
    [
      "an unknown renewal",
      ["show", "ffff"],
      'no renewal\'s id begins with "ffff", and no certificate has that name; see `renewd history`',
    ],
  ])("%s ends with code 2 and says what is meant", async (_, args, message) => {
    const { code, stdout, stderr } = await installation.run(...args);
    expect(stderr).toContain(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });

  test("with --no-input nobody is asked, not even at a terminal", async () => {
    await installation.issue(version({ certificate: "www" }));
    const isTTY = Object.getOwnPropertyDescriptor(process.stdin, "isTTY");
    Object.defineProperty(process.stdin, "isTTY", { value: true, configurable: true });
    try {
      const revoke = await installation.run("revoke", "www", "--reason", "superseded", "--no-input");
      expect(revoke).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("--yes: is needed where nobody can be asked"),
      });
      const init = await runCaptured(["init", "--no-input", "--print", "--root", installation.directory]);
      expect(init.code).toBe(0);
    } finally {
      if (isTTY === undefined) Reflect.deleteProperty(process.stdin, "isTTY");
      else Object.defineProperty(process.stdin, "isTTY", isTTY);
    }
  });

  test("hostile text in it is inert", async () => {
    const { stderr } = await installation.run("show", "\u001b[2J\u202e");
    expect(stderr).toContain("\\x1b[2J\\u{202e}");
  });

  test("what the user typed is inert in a usage error too", async () => {
    const { stderr } = await installation.run("\u001b[2Jstatsu");
    expect(stderr).toContain("\\x1b[2Jstatsu");
    expect(stderr).not.toContain("\u001b");
  });

  test.each([
    ["an unknown command", ["statsu", "--json"], "unknown command 'statsu'"],
    ["a missing argument", ["--json", "renew"], "missing required argument 'NAME'"],
    ["an unknown option", ["renew", "www", "--frce", "--json"], "unknown option '--frce'"],
    ["an unknown certificate", ["renew", "wwww", "--json"], 'certificate "wwww" is not configured'],
  ])("%s with --json is a JSON document as well", async (_, args, message) => {
    const { code, stdout, stderr } = await installation.run(...args);
    expect(JSON.parse(stdout)).toMatchObject({
      version: 1,
      error: { code: "request.invalid", message: expect.stringContaining(message) },
    });
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  test.each([
    ["no command", ["--json"]],
    ["no subcommand", ["account", "--json"]],
  ])("%s with --json says so, beside the help", async (_, args) => {
    const { code, stdout, stderr } = await installation.run(...args);
    expect([code, JSON.parse(stdout).error.message]).toEqual([2, "the command is missing or unknown"]);
    expect(stderr).toContain("Usage: renewd");
  });

  test("a refused request is not told what to do twice", async () => {
    const { stderr } = await installation.run("renew", "wwww");
    expect(stderr).toMatch(/did you mean "www"\?\n {2}\[request\.invalid\]\n$/);
  });

  test("of several requests, those that were started are named when others are refused", async () => {
    const { store } = installation;
    const leaf = { ...version().leaf, notBefore: Date.now() - 86_400_000, notAfter: Date.now() + 80 * 86_400_000 };
    await installation.issue(version({ certificate: "www", leaf }));
    await store.deployments.want("www", ["lb"], 1);
    const fence = (await store.deployments.get("www", "lb"))?.fence ?? 0;
    await store.deployments.update("www", "lb", fence, { deployedGeneration: 1 });
    const proved = { proved: true, roundEndedAt: Date.now(), errorCode: null, errorMessage: null };
    const endpoint = "www.example.org@192.0.2.1:443";
    await store.observations.record({ certificate: "www", endpoint, generation: 1, ...proved }, [], new Map());
    const { code, stdout, stderr } = await installation.run("renew", "www", "api");
    expect(stderr).toContain("started: api; not started: www");
    expect(stdout).toContain("api  renewal ");
    expect(code).toBe(1);
  });

  test("one wrong name of several changes nothing", async () => {
    const { code } = await installation.run("renew", "www", "ap");
    expect(code).toBe(2);
    expect(await installation.store.renewals.list({ limit: 9 })).toEqual([]);
  });

  test("an ambiguous renewal id lists the candidates", async () => {
    for (const certificate of ["www", "api"])
      await installation.store.renewals.insert(renewal({ id: `ab12-${certificate}`, certificate, state: "failed" }));
    const { code, stderr } = await installation.run("show", "ab12");
    expect(code).toBe(2);
    expect(stderr).toMatch(/2 renewals' ids begin with "ab12": ab12-(www|api)/);
  });

  test("--help and --version succeed, and help shows the exit codes", async () => {
    const help = await runCaptured(["--help"]);
    expect(help.code).toBe(0);
    for (const { code, meaning } of Object.values(EXIT)) expect(help.stdout).toContain(`${code}  ${meaning}`);
    expect((await runCaptured(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe("a wrong configuration", () => {
  test("a missing file is named", async () => {
    const { code, stderr } = await runCaptured(["-c", "/nonexistent/renewd.yaml", "status"]);
    expect(code).toBe(2);
    expect(stderr).toContain('"/nonexistent/renewd.yaml" does not exist');
  });

  test("config check prints every mistake with its place on stdout, other commands on stderr", async () => {
    await writeFile(installation.configFile, "version: 1\nisuers: {}\ncertificates:\n  www: { names: [] }\n");
    const check = await installation.run("config", "check");
    const places = check.stdout.match(/renewd\.yaml:\d+:\d+: /g) ?? [];
    expect(places.length).toBeGreaterThanOrEqual(2);
    expect(check).toMatchObject({ code: 2, stderr: "" });
    expect(check.stdout).toContain("issuers");
    const status = await installation.run("status");
    expect(status).toMatchObject({ code: 2, stdout: "" });
    expect(status.stderr).toContain(check.stdout.split("\n")[0]);
    const json = JSON.parse((await installation.run("status", "--json")).stdout);
    expect(json).toMatchObject({
      version: 1,
      error: { code: "config.invalid", problems: expect.arrayContaining([expect.objectContaining({ line: 2 })]) },
    });
  });

  test("RENEWD_CONFIG names the file where no option does", async () => {
    vi.stubEnv("RENEWD_CONFIG", installation.configFile);
    const { code, stdout } = await runCaptured(["certificates", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).certificates).toHaveLength(2);
  });
});

describe("a database that does not answer", () => {
  test("locked by another process: code 3 and what to look for", async () => {
    using other = new DatabaseSync(join(installation.directory, "data", "renewd.db"));
    other.exec("begin immediate");
    const { code, stderr } = await installation.run("pause", "www", "--reason", "x");
    other.exec("rollback");
    expect(code).toBe(3);
    expect(stderr).toContain("another process has kept it locked");
  });

  test("unreachable PostgreSQL: code 3, its address and no password", async () => {
    const text = JSON.parse(configText(["www"]));
    await writeFile(join(installation.directory, "url"), "postgres://renewd:planted-password@127.0.0.1:1/renewd");
    text.store = { type: "postgresql", url: `file:${join(installation.directory, "url")}` };
    await chmod(join(installation.directory, "url"), 0o600);
    await writeFile(installation.configFile, JSON.stringify(text));
    const { code, stdout, stderr } = await installation.run("status", "--json");
    expect(code).toBe(3);
    expect(stderr).toContain("127.0.0.1:1");
    expect(JSON.parse(stdout)).toMatchObject({ version: 1, error: { code: "store.unavailable" } });
    expect(stdout + stderr).not.toContain("planted-password");
  });

  test("without its master key: status still answers and says so, and nothing puts another one in its place", async () => {
    const key = join(installation.directory, "data", "master.key");
    await rm(key);
    const { code, stdout } = await installation.run("status");
    expect(code).toBe(1);
    expect(stdout).toContain(`the master key ${key} is missing although the database was sealed with it`);
    const paused = await installation.run("pause", "www", "--reason", "x");
    expect(paused.code).toBe(2);
    expect(paused.stderr).toContain("[store.sealed]");
    expect(existsSync(key)).toBe(false);
  });
});

describe("pause and resume", () => {
  test("a pause is recorded with its reason and end, shown by plan, and ended by resume", async () => {
    const until = "2999-01-01";
    const paused = await installation.run("pause", "www", "--reason", "migration", "--until", until);
    expect(paused).toMatchObject({ code: 0, stdout: "www is paused until 2999-01-01 00:00:00Z\n" });
    expect(await installation.store.certificates.get("www")).toMatchObject({
      pausedReason: "migration",
      pausedUntil: Date.UTC(2999, 0, 1),
    });
    expect((await installation.run("plan", "www")).stdout).toContain("paused: migration");
    expect((await installation.run("resume", "www")).code).toBe(0);
    expect(await installation.store.certificates.get("www")).toMatchObject({ pausedAt: null });
    const events = await installation.store.events.list({
      certificate: "www",
      types: ["certificate.paused", "certificate.resumed"],
      limit: 9,
    });
    expect(events.map(({ type }) => type)).toEqual(["certificate.paused", "certificate.resumed"]);
  });

  test("a pause that blocks nothing yet is in the plan as well", async () => {
    await installation.issue(version({ certificate: "www" }));
    await installation.run("pause", "www", "--reason", "migration");
    expect((await installation.run("plan", "www")).stdout).toMatch(
      /paused until it is resumed \(migration|paused: migration/,
    );
  });

  test("a pause past the window warns of the expiry, and says that a renewal in flight goes on", async () => {
    await installation.issue(version({ certificate: "www" }));
    await installation.store.renewals.insert(renewal({ id: "ab12-www", state: "issuing" }));
    const { stderr } = await installation.run("pause", "www", "--reason", "x");
    expect(stderr).toContain("its renewal ab12-www is in flight and goes on");
    expect(stderr).toMatch(/it would renew 2026-03-\d\d \S+Z and expires 2026-04-01 00:00:00Z/);
  });
});
