import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const folder = join(root, "deploy/systemd");
const units = readdirSync(folder);

test("there is a unit for everything in one process and one for each role", () => {
  expect(units.sort()).toEqual(["renewd-worker@.service", "renewd.service"]);
  const reload = (unit: string) => /^ExecReload=.*$/m.exec(readFileSync(join(folder, unit), "utf8"))?.[0];
  // test/compose/reload.test.ts runs it.
  expect(reload("renewd-worker@.service")).toBe(reload("renewd.service"));
});

test.each(units)("%s starts files that the build makes from this repository", (unit) => {
  const text = readFileSync(join(folder, unit), "utf8");
  const program = /^ExecStart=\/usr\/bin\/node \/opt\/renewd\/dist\/(\S+)\.js /m.exec(text)?.[1] ?? "missing";
  const roles = program.includes("%i") ? ["planner", "acme", "deployer", "verifier", "web"] : [""];
  for (const role of roles)
    expect(existsSync(join(root, `${program.replace("%i", role)}.ts`)), `${program} ${role}`).toBe(true);
});

test.each([...units.map((unit) => join("deploy/systemd", unit)), "deploy/Dockerfile", "bin/renewd"])(
  "%s starts Node with the small nursery and the few arenas that the memory figures are measured with",
  (file) => {
    const starts =
      file === "bin/renewd"
        ? /MALLOC_ARENA_MAX=2 "\$node" --max-semi-space-size=4 /
        : /NODE_OPTIONS=--max-semi-space-size=4$[\s\S]*MALLOC_ARENA_MAX=2$/m;
    expect(readFileSync(join(root, file), "utf8")).toMatch(starts);
  },
);

test.each(units)("%s stops renewd gently, restarts it after a crash and lets it write only what is its own", (unit) => {
  const text = readFileSync(join(folder, unit), "utf8");
  for (const line of [
    "KillMode=mixed",
    "TimeoutStopSec=30s",
    "Restart=on-failure",
    "RestartForceExitStatus=SIGHUP",
    "ProtectSystem=strict",
    "UMask=0077",
    "ConfigurationDirectoryMode=0750",
    "NoNewPrivileges=true",
  ]) {
    expect(text.split("\n")).toContain(line);
  }
});
