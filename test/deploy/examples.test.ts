import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { loadConfig } from "../../src/config/load.ts";

const root = join(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-examples-"));
});
afterAll(() => rm(directory, { recursive: true }));

async function load(yaml: string, environment: Readonly<Record<string, string>> = {}) {
  const file = join(directory, "renewd.yaml");
  await writeFile(file, yaml);
  const result = await loadConfig(file, { environment: (name) => environment[name] });
  return result.ok ? result.config : result.problems;
}

test("the configuration in README is a valid one", async () => {
  const [, yaml = ""] = /```yaml\n(.*?)```/s.exec(read("README.md")) ?? [];
  expect(await load(yaml)).toMatchObject({ certificates: [{ name: "www", targets: ["balancer"] }] });
});

test("every command README and CONTRIBUTING show exists", () => {
  const text = read("README.md") + read("CONTRIBUTING.md");
  const shown = (pattern: RegExp): string[] => [...new Set([...text.matchAll(pattern)].map(([, name = ""]) => name))];
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> }; // our own file
  const npm = shown(/\bnpm (?:run )?([a-z]+)\b/g).filter((name) => name !== "packages");
  expect(npm).toContain("demo");
  for (const name of npm) expect(Object.keys(scripts)).toContain(name);

  const program = createProgram({ stdout: process.stdout, stderr: process.stderr, exitCode: 0 });
  const renewd = shown(/(?:bin\/|`)renewd ([a-z]+)/g);
  expect(renewd).toContain("run");
  for (const name of renewd) expect(program.commands.map((command) => command.name())).toContain(name);
});

test("every link in README leads to a file", () => {
  const links = [...read("README.md").matchAll(/\]\(([^)#]+)\)/g)].map(([, target = ""]) => target);
  expect(links).toContain("docs/renewal.svg");
  for (const link of links.filter((target) => !target.startsWith("https:")))
    expect(existsSync(join(root, link)), link).toBe(true);
});

/** What the containers get as a secret is a file of this test's own here. */
async function composeExample(): Promise<string> {
  const key = join(directory, "master-key");
  await writeFile(key, `${Buffer.alloc(32, 7).toString("base64")}\n`, { mode: 0o600 });
  const yaml = read("deploy/renewd.compose.yaml");
  expect(yaml).toContain("file:/run/secrets/master-key");
  return yaml.replace("/run/secrets/master-key", key);
}

test("the configuration for docker-compose.yml is a valid one and fits that file", async () => {
  expect(await load(await composeExample())).toMatchObject({
    dataDir: "/var/lib/renewd",
    http01: { port: 8080 },
    certificates: [{ name: "www" }],
  });
  const compose = read("docker-compose.yml");
  for (const part of ["data:/var/lib/renewd", '"80:8080"', "master-key"]) expect(compose).toContain(part);
});

test("the change that docker-compose.yml describes moves it to PostgreSQL", async () => {
  const [, store = ""] = /`(store: \{.*?\})`/.exec(read("docker-compose.yml")) ?? [];
  const url = "postgresql://renewd:secret@postgres/renewd";
  expect(await load(`${await composeExample()}\n${store}\n`, { DATABASE_URL: url })).toMatchObject({
    store: { kind: "postgresql" },
  });
});
