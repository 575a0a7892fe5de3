import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { jsonDocuments } from "../../scripts/jsonDocuments.ts";
import { createProgram } from "../../src/cli/program.ts";
import { fillWatched } from "../store/watchedTests.ts";
import { alert, renewal, sighting, version } from "../support/model/facts.ts";
import { configText, createInstallation, type Installation } from "../support/system/installation.ts";

const { documents, schema } = jsonDocuments();
/** As documented, but a member that is not documented is a fault here. */
const strict: unknown = JSON.parse(JSON.stringify(schema), (_, value: unknown) =>
  typeof value === "object" && value !== null && "properties" in value
    ? { ...value, additionalProperties: false }
    : value,
);
const ajv = new Ajv2020({ strict: false, allErrors: true }).addSchema(strict as object, "documents");

const SILENT = { write: () => true };
/** Why a command prints no document with `--json`. */
const NO_DOCUMENT = {
  worker: "runs until it is stopped",
  "config schema": "prints the schema of the configuration, which is JSON Schema itself",
  completion: "prints a script for a shell",
} as const;

function leaves(command: Command, path: readonly string[]): string[] {
  if (command.commands.length === 0) return [path.join(" ")];
  const own = command.commands.flatMap((each) => leaves(each, [...path, each.name()]));
  // Such as `solvers`, which answers by itself as well.
  return command.registeredArguments.length > 0 || KINDS.includes(command.name()) ? [...own, path.join(" ")] : own;
}
const KINDS: readonly string[] = ["solvers"];

/** In the installation's directory. */
const [FILE, CONFIG, DIRECTORY] = ["<a new file>", "<its configuration>", "<its directory>"];

const SERVER = { domains: ["acme.example.org"], nameServers: { "ns1.acme.example.org": ["192.0.2.1"] } };
const PLAIN = JSON.parse(configText(["www", "api"]));
const TEXT = JSON.stringify({
  ...PLAIN,
  solvers: { ...PLAIN.solvers, own: { type: "dns-server", ...SERVER, resolvers: ["127.0.0.1:1"] } },
  notifications: { ops: { type: "command", command: ["/bin/true"] } },
});

/** One for all: what a command changes here, the others can do with. */
let installation: Installation;
beforeAll(async () => {
  installation = await createInstallation(TEXT);
  await installation.issue(version({ certificate: "www" }));
  await installation.store.alerts.save(alert());
  await installation.store.inventory.record([sighting({ fingerprint: "abcdef".padEnd(64, "0") })], Date.now());
  await fillWatched(installation.store);
  await installation.store.renewals.insert(
    renewal({ id: "aaaaaaaa-1", certificate: "api", state: "issuing", errorCode: "acme.dns", errorMessage: "no" }),
  );
});
afterAll(() => installation[Symbol.asyncDispose]());

describe("what --json prints", () => {
  test.each([
    ["StatusReport", ["status"]],
    ["WeekReport", ["report", "--week"]],
    ["CertificatesReport", ["certificates"]],
    ["PlanReport", ["plan"]],
    ["HistoryReport", ["history"]],
    ["ShowReport", ["show", "aaaaaaaa"]],
    ["PauseReport", ["pause", "www", "--reason", "x"]],
    ["ResumeReport", ["resume", "www"]],
    ["AcknowledgeReport", ["acknowledge", "api", "--reason", "x"]],
    ["AlertsReport", ["alerts"]],
    ["AlertRulesReport", ["alerts", "rules"]],
    ["AlertAcknowledgeReport", ["alerts", "acknowledge", "0badcafe", "--reason", "x"]],
    ["AlertTestReport", ["alerts", "test", "clock"]],
    // Before a renewal is in flight.
    ["RetryReport", ["retry", "www"]],
    ["RenewalActionReport", ["deploy", "www"]],
    ["RenewReport", ["renew", "www", "--force"]],
    ["ReplacementReport", ["replace", "status"]],
    ["AuditReport", ["audit", "verify"]],
    ["ConfigCheckReport", ["config", "check"]],
    ["ChallengesReport", ["challenges", "list", "--own"]],
    ["KindsReport", ["targets"]],
    ["ScanReport", ["scan", "127.0.0.1:1"]],
    ["KindsReport", ["solvers"]],
    ["KindsReport", ["channels"]],
    ["InventoryReport", ["inventory"]],
    ["InventoryKeyReport", ["inventory", "key", "abcdef"]],
    ["AdoptReport", ["inventory", "adopt", "abcdef"]],
    ["IgnoreReport", ["inventory", "ignore", "abcdef", "--until", "9d", "--reason", "x"]],
    ["DiscoverReport", ["discover", "files"]],
    ["WatchedReport", ["watched"]],
    ["ServedReport", ["served", "192.0.2.1"]],
    ["ServedDiffReport", ["diff", "192.0.2.1", "192.0.2.1@1d"]],
    ["ErrorsReport", ["errors"]],
    ["AlertsReport", ["alerts", "list"]],
    ["LeftoversReport", ["leftovers"]],
    ["StoreMigrateReport", ["store", "migrate"]],
    ["DoctorReport", ["doctor"]],
    ["CheckReport", ["check", "www"]],
    ["OpenReport", ["open"]],
    ["RehearseReport", ["rehearse", "www"]],
    ["DialReport", ["dial", "www"]],
    ["HorizonReport", ["horizon"]],
    ["TargetCheckReport", ["check", "--target", "lb"]],
    ["DrillsReport", ["drill", "--list"]],
    ["DrillStartReport", ["drill", "www", "--dry-run"]],
    ["ReplaceReport", ["replace", "start", "--issuer", "ca", "--deadline", "24h", "--dry-run"]],
    ["DefinitionsReport", ["certificates", "add", "new", "new.example.org", "--set", "endpoints=[a.example.org:443]"]],
    ["DefinitionsExport", ["certificates", "export"]],
    ["DryRunReport", ["run", "--dry-run"]],
    ["BackupDocument", ["backup", FILE]],
    ["PlanAgainstReport", ["plan", "--against", CONFIG]],
    ["InitReport", ["init", "--print", "--root", DIRECTORY, "--ca", "letsencrypt", "--no-input", "--agree-tos"]],
    ["StoreReopenReport", ["store", "reopen"]],
    ["AuditReport", ["audit", "accept", "--reason", "x", "--yes"]],
    ["NotifyReport", ["notify"]],
    ["DelegationReport", ["challenges", "delegate", "www.example.org"]],
    ["Error", ["renew", "nobody"]],
    ["Error", ["alerts", "exercise"]],
  ])("fits the schema %s: renewd %s", async (name, args) => {
    const places = { [FILE]: "backup.file", [CONFIG]: "renewd.yaml", [DIRECTORY]: "" };
    const filled = args.map((each) => (each in places ? join(installation.directory, places[each] ?? "") : each));
    const { stdout } = await installation.run(...filled, "--json");
    const validate = ajv.getSchema(`documents#/$defs/${name}`);
    expect(validate?.(JSON.parse(stdout)), JSON.stringify(validate?.errors, null, 1)).toBe(true);
  });

  test.each(["retry", "rollback", "renew", "deploy"])("an unknown name is told in the same words: %s", async (verb) => {
    const { stdout, code } = await installation.run(verb, "wwww", "--json");
    expect(code).toBe(2);
    // As the API says with --server.
    expect(JSON.parse(stdout).error.message).toMatch(/^certificate "wwww" is not configured/);
  });

  test("every command of `renewd --help` has a document, but for those that print none", () => {
    const commands = leaves(createProgram({ stdout: SILENT, stderr: SILENT, exitCode: 0 }), []);
    expect(commands.length).toBeGreaterThan(40);
    const documented = documents.flatMap((document) => document.commands);
    const isDocumented = (command: string) => documented.some((each) => each.replace(/ --.*/, "") === command);
    expect(commands.filter((command) => !isDocumented(command)).sort()).toEqual(Object.keys(NO_DOCUMENT).sort());
    // `run` has one for `--dry-run`.
    const unknown = documented.map((each) => each.replace(/ --.*/, "")).filter((each) => !commands.includes(each));
    expect(unknown).toEqual([]);
  });

  test("every instant is ISO 8601: no member holds milliseconds since 1970", async () => {
    for (const args of [["status"], ["certificates"], ["plan"], ["history"], ["show", "aaaaaaaa"]]) {
      const { stdout } = await installation.run(...args, "--json");
      expect(stdout, args.join(" ")).not.toMatch(/: 1[5-9]\d{11}\b/);
    }
  });

  test("each document has a version and is listed with its command", () => {
    expect(documents.length).toBeGreaterThan(25);
    for (const { name, version: number, commands } of documents) {
      expect(number, name).toBeGreaterThan(0);
      expect(commands, name).not.toEqual([]);
    }
    const listed = readFileSync(new URL("../../docs/json.md", import.meta.url), "utf8");
    for (const { name } of documents) expect(listed).toContain(`[${name}]`);
  });
});
