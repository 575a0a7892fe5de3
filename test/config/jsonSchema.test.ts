import { readFile } from "node:fs/promises";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { generatedDocs } from "../../scripts/generate-docs.ts";
import { loadConfig } from "../../src/config/load.ts";
import { describeProblems } from "../../src/config/read/problems.ts";
import { configJsonSchema } from "../../src/config/schema/jsonSchema.ts";
import { CHANNELS, DEPLOYERS, SOLVERS } from "../support/plugins.ts";
import { estate } from "./configFile.ts";

const ROOT = new URL("../../", import.meta.url);
const validate = new Ajv2020({ allErrors: true, strict: false, validateFormats: false }).compile(
  configJsonSchema({ solvers: SOLVERS, deployers: DEPLOYERS, channels: CHANNELS }),
);

test.each([...(await generatedDocs())])(
  "%s is what the schemas say; if not, run: node scripts/generate-docs.ts",
  async (path, content) => {
    expect(await readFile(new URL(path, ROOT), "utf8")).toBe(content);
  },
);

describe("the example file", () => {
  const path = new URL("renewd.example.yaml", ROOT);

  test("conforms to the JSON Schema", async () => {
    validate(parse(await readFile(path, "utf8")));
    expect(validate.errors ?? []).toEqual([]);
  });

  test("is a configuration that loads", async () => {
    const secrets: Record<string, string> = { REDIS_PASSWORD: "a", DATABASE_URL: "b", CORPORATE_CA_HMAC: "c" };
    const result = await loadConfig(path.pathname, { environment: (name) => secrets[name] });
    expect(result.ok ? "" : describeProblems(result.problems)).toBe("");
    expect(result.ok && result.config.certificates.map(({ name }) => name)).toEqual([
      "www",
      "shop",
      "legacy",
      "smtp",
      "cdn",
    ]);
  });

  test("shows every kind of solver and target", async () => {
    const { solvers, targets } = parse(await readFile(path, "utf8"));
    const kinds = (section: Record<string, { type: string }>): string[] =>
      Object.values(section).map(({ type }) => type);
    // DNS providers are many and alike: docs/dns.md has one example of each.
    const notDns = SOLVERS.filter(({ challengeType }) => challengeType !== "dns-01").map(({ type }) => type);
    expect(kinds(solvers)).toEqual(expect.arrayContaining([...notDns, "dns-server", "cloudflare"]));
    expect(kinds(targets)).toEqual(expect.arrayContaining(DEPLOYERS.map(({ type }) => type)));
  });
});

describe("the JSON Schema for editors", () => {
  test("accepts what the loader accepts", () => {
    const file = parse(estate().replace(/\n {2}dns:.*/, ""));
    validate(file);
    expect(validate.errors ?? []).toEqual([]);
  });

  test.each([
    ["an unknown key", (file: string) => `${file}\nx: 1`],
    ["a plugin's unknown option", (file: string) => file.replace("type: http-01", "type: http-01, x: 1")],
    ["an unknown kind", (file: string) => file.replace("type: files", "type: fils")],
    ["an inline secret", (file: string) => `${file}\nmasterKey: abc`],
    [
      "an unknown STARTTLS protocol",
      (file: string) => file.replace('["www.example.org:443"]', "[{ host: a, starttls: x }]"),
    ],
    ["must-staple", (file: string) => file.replace("names:", "mustStaple: true, names:")],
    ["Redis in two places", (file: string) => `${file}\nredis: { url: redis://a, path: /b }`],
    ["a duration without unit", (file: string) => `${file}\nplanner: { tick: 60 }`],
  ])("refuses %s", (_, spoil) => {
    expect(validate(parse(spoil(estate().replace(/\n {2}dns:.*/, ""))))).toBe(false);
  });
});
