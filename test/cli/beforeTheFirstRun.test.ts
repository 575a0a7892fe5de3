import { existsSync } from "node:fs";
import { rm, symlink } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { defaultConfigFile } from "../../src/cli/command.ts";
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

test("no command migrates what an older renewd has written, which may still run", async () => {
  await using installation = await createInstallation(configText(["www"]));
  await installation.store.close();
  using database = new DatabaseSync(join(installation.directory, "data", "renewd.db"));
  database.exec("delete from kysely_migration where name = (select max(name) from kysely_migration)");
  const migrations = () => database.prepare("select name from kysely_migration order by name").all();
  const before = migrations();
  const commands = ["status", "alerts", "replace status", "run --dry-run", "open", "renew www", "pause www --reason x"];
  for (const command of [...commands, "acknowledge www --reason x", "account show ca", "discover"]) {
    const { code, stderr } = await installation.run(...command.split(" "));
    expect([code, stderr], command).toEqual([3, expect.stringContaining("written by an older renewd")]);
    expect(migrations(), command).toEqual(before);
  }
});

/** What somebody types who is called at night, some of it without `sudo`. */
const CALLED = [
  ...["status", "alerts", "horizon", "certificates", "plan", "history", "inventory", "leftovers", "challenges"],
  ...["renew www", "retry www", "deploy www", "pause www --reason x", "acknowledge www --reason x", "show www"],
  ...["watched", "replace status", "drill --list", "audit verify", "backup /tmp/never-written", "open"],
];

test("a data directory that this user cannot enter is never taken for an empty one", async () => {
  await using installation = await createInstallation(configText(["www"]));
  const data = join(installation.directory, "data");
  await installation.store.close();
  await rm(data, { recursive: true });
  // As root every directory can be entered, but none that leads to itself.
  await symlink(data, data);
  const advice = `sudo -u ${userInfo().username} renewd`;
  const found: string[] = [];
  for (const words of CALLED) {
    const { code, stderr } = await installation.run(...words.split(" "));
    if (code !== 3 || !stderr.includes(advice)) found.push(`${words}: ${code} ${stderr}`);
  }
  expect(found).toEqual([]);
});

test("a configuration that this user may not look at is chosen all the same, and reading it says why it cannot", async () => {
  await using installation = await createInstallation(configText(["www"]));
  const locked = join(installation.directory, "locked");
  await symlink(locked, locked);
  expect(defaultConfigFile([join(installation.directory, "no-such.yaml"), join(locked, "renewd.yaml")])).toBe(
    join(locked, "renewd.yaml"),
  );
});
