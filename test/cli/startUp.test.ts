import { execFile } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { configText, createInstallation, type Installation } from "../support/system/installation.ts";

const ROOT = join(import.meta.dirname, "../..");
const LIST = join(import.meta.dirname, "../support/system/loadedModules.ts");
const report = z.object({ urls: z.array(z.string()) });

let installation: Installation;
beforeAll(async () => {
  installation = await createInstallation(configText(["www", "api"]));
});
afterAll(() => installation[Symbol.asyncDispose]());

/** How many modules the command loads, and of which packages. Node's own are not counted. */
async function loadedBy(...args: string[]): Promise<{ modules: number; packages: string[] }> {
  const argv = ["--import", LIST, join(ROOT, "src/cli/main.ts"), ...args, "--config", installation.configFile];
  const stderr = await new Promise<string>((resolve) => {
    execFile(process.execPath, argv, (_error, _stdout, text) => resolve(text));
  });
  const { urls } = report.parse(JSON.parse(stderr.trim().split("\n").at(-1) ?? ""));
  const files = urls.filter((url) => !url.startsWith("node:"));
  const packages = files.flatMap((url) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []);
  return { modules: files.length, packages: [...new Set(packages)].sort() };
}

const COMMAND_LINE = ["commander"];
const CONFIGURATION = ["croner", "js-yaml", "tldts", "yaml", "zod"];

/** Each command, section and migration is a module: the bounds leave room for a few, not for a library. */
describe("a command loads what it uses:", () => {
  test("--help, neither configuration, database nor queue", async () => {
    const { modules, packages } = await loadedBy("--help");
    expect(packages).toEqual(COMMAND_LINE);
    expect(modules).toBeLessThanOrEqual(136);
  });

  test("config check --offline, neither database nor queue", async () => {
    const { modules, packages } = await loadedBy("config", "check", "--offline");
    expect(packages).toEqual([...COMMAND_LINE, ...CONFIGURATION].sort());
    expect(modules).toBeLessThanOrEqual(428);
  });

  test("status, neither the queue, the ACME client, the log nor the driver of another database", async () => {
    const { modules, packages } = await loadedBy("status");
    expect(packages).toEqual([...COMMAND_LINE, ...CONFIGURATION, "kysely"].sort());
    expect(modules).toBeLessThanOrEqual(894);
  });
});
