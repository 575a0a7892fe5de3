import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownCache } from "../../src/compose/compileCache.ts";
import { freePort } from "../support/freePort.ts";
import { startRenewd } from "../support/system/renewd.ts";

const ROOT = join(import.meta.dirname, "../..");
const run = promisify(execFile);
/** npm and the package's own `#!/usr/bin/env node` find the Node that runs these tests. */
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
const QUIET = ["--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts", "--loglevel=error"];
const INSTALL_MAX_MS = 300_000;

let directory: string;
const renewd = (...args: string[]) => run(join(directory, "node_modules/.bin/renewd"), args, { env, cwd: directory });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "package-"));
  await run("npm", ["pack", "--silent", "--pack-destination", directory], { env, cwd: ROOT });
  const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as { version: string }; // our own file
  await writeFile(join(directory, "package.json"), JSON.stringify({ name: "empty", private: true, type: "module" }));
  await run("npm", ["install", ...QUIET, join(directory, `renewd-${version}.tgz`)], { env, cwd: directory });
}, INSTALL_MAX_MS);
afterAll(() => rm(directory, { recursive: true, force: true }));

/** A plug-in's own test: one solver that keeps its promises, and one that never cleans up. */
const PLUG_IN = `
import { describeSolver, solverDependencies, memoryDns, challengeOf, describeDnsSolver } from "renewd/conformance";
if ([solverDependencies, memoryDns, challengeOf, describeDnsSolver].some((each) => typeof each !== "function")) throw new Error();
const start = (cleans) => async () => {
  const held = new Map();
  const check = ({ token }) => {
    if (!/^[A-Za-z0-9_-]{1,256}$/.test(token))
      throw Object.assign(new Error("no token"), { name: "RenewalError", code: "solver.failed" });
  };
  const solver = {
    challengeType: "http-01",
    async present(challenge, signal) {
      signal.throwIfAborted();
      check(challenge);
      held.set(challenge.token, challenge.keyAuthorization);
    },
    async cleanUp(challenge, signal) {
      signal.throwIfAborted();
      check(challenge);
      if (cleans) held.delete(challenge.token);
    },
  };
  return {
    solver,
    published: async ({ token }) => held.get(token) ?? null,
    expected: ({ keyAuthorization }) => keyAuthorization,
    occupy: null,
    [Symbol.asyncDispose]: async () => {},
  };
};
describeSolver("mine", start(true));
describeSolver("forgetful", start(false));
`;

const ENDPOINT = { host: "127.0.0.1", port: 1, sni: "www.example.org" };
const config = (port: number) => ({
  version: 1,
  dataDir: "data",
  issuers: { ca: { directory: "https://127.0.0.1:1/directory", termsOfServiceAgreed: true } },
  solvers: { web: { type: "http-01" } },
  http01: { port },
  targets: { copy: { type: "files", directory: "/nonexistent", bundle: "{certificate}.pem" } },
  defaults: { issuer: "ca", solver: "web", targets: ["copy"] },
  certificates: { www: { names: ["www.example.org"], endpoints: [ENDPOINT] } },
});

describe("the package, installed into an empty directory", () => {
  it("takes the code that a command before it has compiled, where the user has a place for that", async () => {
    const debug = { ...env, NODE_DEBUG_NATIVE: "COMPILE_CACHE" };
    await renewd("--help");
    const { stderr } = await run(join(directory, "node_modules/.bin/renewd"), ["--help"], {
      env: debug,
      cwd: directory,
    });
    const hasPlace = ownCache(process.getuid?.(), () => userInfo().homedir) !== null;
    expect(stderr.includes("because cache was the same")).toBe(hasPlace);
  });

  it("shows its help", async () => {
    const { stdout } = await renewd("--help");
    expect(stdout).toContain("Usage: renewd");
  });

  it("checks a configuration", async () => {
    await writeFile(join(directory, "renewd.yaml"), JSON.stringify(config(await freePort())));
    const { stdout } = await renewd("config", "check", "--offline");
    expect(stdout).toContain("renewd.yaml");
  });

  it("runs all roles, and shows its pages, until it is told to stop", async () => {
    await writeFile(join(directory, "renewd.yaml"), JSON.stringify(config(await freePort())));
    const entry = join(directory, "node_modules/renewd/dist/src/cli/main.js");
    await using running = startRenewd(["run", "--yes", "-c", join(directory, "renewd.yaml")], env, entry);
    await running.logged("renewd is running");
    const { stdout: link } = await renewd("open", "-c", join(directory, "renewd.yaml"));
    expect((await fetch(link.trim(), { redirect: "manual" })).status).toBe(303);
    expect(await running.stop()).toBe(0);
  });

  it("offers its interfaces and requests through the queue to programs, with types", async () => {
    const script = 'import * as renewd from "renewd"; console.log(Object.keys(renewd).sort().join(" "));';
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { env, cwd: directory });
    expect(stdout.trim().split(" ")).toEqual(expect.arrayContaining(["RenewalError", "addRequest", "definePlugin"]));
    const types = await readFile(join(directory, "node_modules/renewd/dist/src/index.d.ts"), "utf8");
    expect(types).toContain("Deployer");
  });

  it("offers the conformance suite of solvers to those who write one, and vitest is theirs", async () => {
    const dist = join(directory, "node_modules/renewd/dist/test/conformance");
    expect(await readFile(join(dist, "solvers.d.ts"), "utf8")).toContain("describeDnsSolver");
    const suite = await readFile(join(dist, "solvers.js"), "utf8");
    expect(suite).toMatch(/from ?"vitest"/);
    // Vitest as the author of a plug-in has it, beside renewd.
    await symlink(join(ROOT, "node_modules/vitest"), join(directory, "node_modules/vitest"));
    await writeFile(join(directory, "mine.test.mjs"), PLUG_IN);
    const args = [join(ROOT, "node_modules/vitest/vitest.mjs"), "run", "--reporter=json", "--outputFile=tried.json"];
    const alone = { ...env, RENEWD_TESTS: "", VITEST: "" };
    // One of its solvers breaks a promise on purpose.
    await expect(run(process.execPath, args, { env: alone, cwd: directory })).rejects.toMatchObject({ code: 1 });
    const { testResults } = JSON.parse(await readFile(join(directory, "tried.json"), "utf8"));
    const tried: { ancestorTitles: string[]; title: string; status: string }[] = testResults[0].assertionResults;
    const failed = tried.filter(({ status }) => status === "failed");
    expect([...new Set(failed.map(({ ancestorTitles: [suite] }) => suite))]).toEqual(["solver forgetful"]);
    expect(failed.map(({ title }) => title)).toContain("publishes what the CA looks for, and takes it away again");
    expect(tried.filter(({ status }) => status === "passed").length).toBeGreaterThan(failed.length);
    await rm(join(directory, "node_modules/vitest"));
  });

  it("holds the licence of each package that is bundled into it", async () => {
    const text = await readFile(join(directory, "node_modules/renewd/dist/THIRD-PARTY-LICENCES.txt"), "utf8");
    for (const name of ["acme-client", "bullmq", "ioredis", "kysely", "pg", "yaml", "zod"])
      expect(text).toMatch(new RegExp(`^${name} [0-9.]+ \\((MIT|ISC)\\)$`, "m"));
    expect(text).toContain("Permission is hereby granted");
  });

  it("needs no package that is bundled into it", async () => {
    for (const name of ["bullmq", "kysely", "acme-client"])
      await expect(readFile(join(directory, "node_modules", name, "package.json"), "utf8")).rejects.toThrow("ENOENT");
  });

  it("brings no vendor's optional SDK, and says how to install one", async () => {
    await expect(readFile(join(directory, "node_modules/ssh2/package.json"), "utf8")).rejects.toThrow("ENOENT");
  });
});

describe("the image", () => {
  it("keeps every optional SDK, which nobody could install into it later", { timeout: INSTALL_MAX_MS }, async () => {
    const image = await mkdtemp(join(tmpdir(), "image-"));
    try {
      for (const name of ["package.json", "package-lock.json", ".npmrc"]) await cp(join(ROOT, name), join(image, name));
      await mkdir(join(image, "deploy"));
      await cp(join(ROOT, "deploy/keepOptionalPackages.mjs"), join(image, "deploy/keepOptionalPackages.mjs"));
      // The commands of deploy/Dockerfile that decide what is in it; its npm install gives what is installed here.
      await run("cp", ["-a", "--reflink=auto", join(ROOT, "node_modules/."), join(image, "node_modules")]);
      await run(process.execPath, ["deploy/keepOptionalPackages.mjs"], { env, cwd: image });
      await run("npm", ["prune", "--omit=dev", "--no-save", "--no-package-lock", ...QUIET], { env, cwd: image });
      const { peerDependencies } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as {
        peerDependencies: Record<string, string>;
      }; // our own file
      for (const name of Object.keys(peerDependencies)) {
        expect(await readFile(join(image, "node_modules", name, "package.json"), "utf8")).toContain(`"${name}"`);
      }
      await expect(readFile(join(image, "node_modules/vitest/package.json"), "utf8")).rejects.toThrow("ENOENT");
    } finally {
      await rm(image, { recursive: true, force: true });
    }
  });
});
