import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { jsonDocuments } from "../../scripts/jsonDocuments.ts";
import { alert, renewal, version } from "../support/model/facts.ts";
import { configText, createInstallation, type Installation } from "../support/system/installation.ts";

const { documents, schema } = jsonDocuments();
/** As documented, but a member that is not documented is a fault here. */
const strict: unknown = JSON.parse(JSON.stringify(schema), (_, value: unknown) =>
  typeof value === "object" && value !== null && "properties" in value
    ? { ...value, additionalProperties: false }
    : value,
);
const ajv = new Ajv2020({ strict: false, allErrors: true }).addSchema(strict as object, "documents");

let installation: Installation;
beforeEach(async () => {
  installation = await createInstallation(configText(["www", "api"]));
  await installation.issue(version({ certificate: "www" }));
  await installation.store.alerts.save(alert());
  await installation.store.renewals.insert(
    renewal({ id: "aaaaaaaa-1", certificate: "api", state: "issuing", errorCode: "acme.dns", errorMessage: "no" }),
  );
});
afterEach(() => installation[Symbol.asyncDispose]());

describe("what --json prints", () => {
  test.each([
    ["StatusReport", ["status"]],
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
    ["RenewReport", ["renew", "www", "--force"]],
    ["ReplacementReport", ["replace", "status"]],
    ["AuditReport", ["audit", "verify"]],
    ["ConfigCheckReport", ["config", "check"]],
    ["ChallengesReport", ["challenges", "list", "--own"]],
    ["KindsReport", ["targets"]],
    ["ScanReport", ["scan", "127.0.0.1:1"]],
    ["Error", ["renew", "nobody"]],
    ["Error", ["notify"]],
  ])("fits the schema %s: renewd %s", async (name, args) => {
    const { stdout } = await installation.run(...args, "--json");
    const validate = ajv.getSchema(`documents#/$defs/${name}`);
    expect(validate?.(JSON.parse(stdout)), JSON.stringify(validate?.errors, null, 1)).toBe(true);
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
