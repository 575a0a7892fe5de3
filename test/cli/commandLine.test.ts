import { existsSync } from "node:fs";
import { chmod, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { createRoot } from "../support/ca/pki.ts";
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
      "a deactivation that may be a slip",
      ["account", "deactivate", "ca"],
      "--yes: deactivating an account cannot be undone",
    ],
    ["an unknown renewal", ["show", "ffff"], 'no renewal\'s id begins with "ffff"; see `renewd history`'],
  ])("%s ends with code 2 and says what is meant", async (_, args, message) => {
    const { code, stdout, stderr } = await installation.run(...args);
    expect(stderr).toContain(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });

  test("hostile text in it is inert", async () => {
    const { stderr } = await installation.run("show", "\u001b[2J\u202e");
    expect(stderr).toContain("\\x1b[2J\\u{202e}");
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

  test("a pause past the window warns of the expiry, and says that a renewal in flight goes on", async () => {
    await installation.issue(version({ certificate: "www" }));
    await installation.store.renewals.insert(renewal({ id: "ab12-www", state: "issuing" }));
    const { stderr } = await installation.run("pause", "www", "--reason", "x");
    expect(stderr).toContain("its renewal ab12-www is in flight and goes on");
    expect(stderr).toMatch(/it would renew 2026-03-\d\d \S+Z and expires 2026-04-01 00:00:00Z/);
  });
});

describe("import", () => {
  const write = async (name: string, text: string): Promise<string> => {
    const path = join(installation.directory, name);
    await writeFile(path, text);
    return path;
  };

  test("takes over a pair as the next generation and says what the planner makes of it", async () => {
    const intermediate = await (await createRoot()).intermediate();
    const { certPem, keyPem } = await intermediate.issue({ names: ["www.example.org"] });
    const [bundle, key] = [
      await write("bundle.pem", `${certPem}\n${intermediate.certPem}`),
      await write("key.pem", keyPem),
    ];
    const { code, stdout, stderr } = await installation.run(
      "import",
      "www",
      "--certificate",
      bundle,
      "--key",
      key,
      "--json",
    );
    expect({ code, report: JSON.parse(stdout) }).toMatchObject({
      code: 0,
      report: { version: 1, certificate: "www", generation: 1, plan: expect.stringContaining("renews ") },
    });
    expect(stderr).toContain("the planner: renews ");
    expect(await installation.store.versions.latest("www")).toMatchObject({
      generation: 1,
      issuer: "imported",
      chainPem: [expect.stringContaining("BEGIN CERTIFICATE")],
    });
    expect((await installation.store.versions.privateKey("www", 1)).reveal()).toBe(keyPem);
    expect((await installation.run("certificates", "www")).stdout).toContain("deployed, not proved");
  });

  test("refuses what it cannot use with one clear message, and stores nothing", async () => {
    const root = await createRoot();
    const [one, other] = [
      await root.issue({ names: ["www.example.org"] }),
      await root.issue({ names: ["www.example.org"] }),
    ];
    const certificate = await write("cert.pem", one.certPem);
    const encrypted = await write(
      "encrypted.pem",
      (await import("node:crypto"))
        .createPrivateKey(one.keyPem)
        .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" })
        .toString(),
    );
    const cases: [string, string, RegExp][] = [
      [certificate, await write("other.pem", other.keyPem), /does not belong to the certificate/],
      [certificate, encrypted, /expected an unencrypted PEM key/],
      [certificate, "/nonexistent/key.pem", /--key: cannot read \/nonexistent\/key\.pem \(ENOENT\)/],
      [certificate, installation.directory, /--key: cannot read .* \(EISDIR\)/],
      [await write("empty.pem", "nothing"), await write("one.pem", one.keyPem), /holds no PEM certificate/],
      [
        await write("huge.pem", "x".repeat(2_000_000)),
        await write("one.pem", one.keyPem),
        /--certificate: .* has 2000000 bytes/,
      ],
    ];
    for (const [pem, key, message] of cases) {
      const { code, stdout, stderr } = await installation.run("import", "www", "--certificate", pem, "--key", key);
      expect(stderr).toMatch(message);
      expect(stderr).not.toContain("PRIVATE KEY");
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    }
    expect(await installation.store.versions.latest("www")).toBeNull();
    expect(await readFile(certificate, "utf8")).toBe(one.certPem);
  });
});

describe("renewd plan, before anything is issued", () => {
  test("says what a target cannot take, by its kind or by what its operator knows of it", async () => {
    const text = JSON.parse(configText(["www"]));
    text.targets.lb.takes = { keyTypes: ["rsa-2048"], namesMax: 1 };
    text.certificates.www.names.push("www2.example.org");
    await writeFile(installation.configFile, JSON.stringify(text));
    const { stdout, code } = await installation.run("plan");
    expect(code).toBe(0);
    expect(stdout).toContain("target lb takes no ecdsa-p256 key, only rsa-2048");
    expect(stdout).toContain("target lb takes at most 1 names, the certificate has 2");
    text.targets.lb.takes = { keyType: "rsa-2048" };
    await writeFile(installation.configFile, JSON.stringify(text));
    expect(await installation.run("plan")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/targets\.lb\.takes.*keyType/),
    });
  });
});
