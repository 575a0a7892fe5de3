import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createAcmeShHome } from "../support/pairs/acmeShHome.ts";
import { configText, createInstallation, type Installation } from "../support/system/installation.ts";

let installation: Installation;
beforeEach(async () => {
  installation = await createInstallation(configText(["www"]));
});
afterEach(async () => {
  await installation[Symbol.asyncDispose]();
  await rm(installation.directory, { recursive: true, force: true });
});

it("`renewd solvers acme.sh NAME` shows the variables of a script, with its alternatives", async () => {
  const home = await createAcmeShHome(join(installation.directory, "acme.sh"));
  const info = "Example\u001b[31m DNS\nSite: x\nOptions:\n EX_Token API Token\nOptionsAlt:\n EX_User User. Optional.\n";
  await home.dnsapi("dns_example", { info, add: ":", rm: ":" });
  const { stdout, code } = await installation.run("solvers", "acme.sh", "example", "--home", home.path);
  expect(code).toBe(0);
  expect(stdout).not.toContain("\u001b[31m");
  expect(stdout).toMatch(/dns_example: Example.* DNS/);
  expect(stdout).toMatch(/EX_Token\s+yes\s+API Token\n\nOr instead:\nNAME.*\nEX_User\s+no\s+User\. Optional\./);
  const json = await installation.run("solvers", "acme.sh", "dns_example", "--home", home.path, "--json");
  expect(JSON.parse(json.stdout)).toMatchObject({
    version: 1,
    script: "dns_example",
    sets: [[{ name: "EX_Token" }], [{}]],
  });
});

it("says where acme.sh or the script is missing, and that no solver is configured", async () => {
  const missing = await installation.run("solvers", "acme.sh", "dns_cf", "--home", "/nonexistent");
  expect([missing.code, missing.stderr]).toEqual([
    1,
    expect.stringContaining("/nonexistent/dnsapi/dns_cf.sh cannot be read"),
  ]);
  const none = await installation.run("solvers", "acme.sh", "dns_cf");
  expect([none.code, none.stderr]).toEqual([2, expect.stringContaining("--home DIR")]);
});
