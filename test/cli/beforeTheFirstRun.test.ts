import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { configText, createInstallation } from "../support/system/installation.ts";

/** Commands that change nothing, and decisions about what no planner has seen. */
const LOOKING = [
  ["run", "--dry-run"],
  ["leftovers"],
  ["challenges", "list", "--own"],
  ["replace", "status"],
  ["account", "show", "ca"],
  ["notify"],
  ["retry", "www"],
];

test("before the first run, whoever only looks creates neither directory nor database nor master key", async () => {
  const text = JSON.parse(configText(["www"]));
  // Nobody listens there, and nobody is asked for long.
  text.certificates.www.endpoints = [{ host: "127.0.0.1", port: 1, sni: "www.example.org" }];
  await using installation = await createInstallation(JSON.stringify(text));
  const data = join(installation.directory, "data");
  await installation.store.close();
  await rm(data, { recursive: true });
  const created: string[] = [];
  for (const args of LOOKING) {
    const { code, stderr } = await installation.run(...args);
    expect([0, 2], `${args.join(" ")}: ${stderr}`).toContain(code);
    if (existsSync(data)) created.push(args.join(" "));
    await rm(data, { recursive: true, force: true });
  }
  expect(created).toEqual([]);
});
