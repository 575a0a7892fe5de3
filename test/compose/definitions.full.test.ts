import { expect, test } from "vitest";
import { runCaptured } from "../support/system/installation.ts";
import { startRenewd } from "../support/system/renewd.ts";
import { configured } from "./configured.ts";

test("a running renewd takes over what the database defines, and what it defines no longer", {
  timeout: 120_000,
}, async () => {
  const { configFile } = await configured();
  await using running = startRenewd(["run", "--config", configFile]);
  await running.logged("renewd is running");
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await runCaptured(["-c", configFile, "certificates", ...args]);
    expect(code, stderr).toBe(0);
    return stdout;
  };

  const added = running.loggedAgain("configuration reloaded");
  await run("add", "shop", "shop.example.org", "--set", "endpoints=['127.0.0.1:1']");
  expect(JSON.parse(await added)).toMatchObject({ added: ["shop"], changed: [], removed: [] });
  const stdout = await run("shop", "--json");
  expect(JSON.parse(stdout).certificates[0]).toMatchObject({ certificate: "shop", definedIn: "database" });

  const removed = running.loggedAgain("configuration reloaded");
  await run("remove", "shop", "--force");
  expect(JSON.parse(await removed)).toMatchObject({ added: [], changed: [], removed: ["shop"] });
});
