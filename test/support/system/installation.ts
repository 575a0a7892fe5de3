import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommandLine } from "../../../src/cli/program.ts";
import { openReader } from "../../../src/compose/index.ts";
import type { Certificate } from "../../../src/domain/certificate.ts";
import { Secret } from "../../../src/domain/secret.ts";
import type { Store } from "../../../src/domain/store.ts";
import type { Version } from "../../../src/domain/version.ts";
import type { CommandResult } from "./renewd.ts";

/**
 * A configuration and its database, as a planner left them; commands run in this process, as `renewd` would run them.
 */
export interface Installation extends AsyncDisposable {
  readonly directory: string;
  readonly configFile: string;
  readonly store: Store;
  readonly certificates: readonly Certificate[];
  certificate(name: string): Certificate;
  /** `renewd -c CONFIG …args`. */
  run(...args: string[]): Promise<CommandResult>;
  /** Stores a version as if issued, with a stand-in for its key. */
  issue(version: Version): Promise<void>;
}

/** Nobody listens on port 1: what must not be reached is not reached. */
export const NO_REDIS = "redis://127.0.0.1:1";

export function configText(names: readonly string[], redisUrl = NO_REDIS): string {
  const certificates = Object.fromEntries(
    names.map((name) => [
      name,
      { names: [`${name}.example.org`], endpoints: [{ host: "192.0.2.1", port: 443, sni: `${name}.example.org` }] },
    ]),
  );
  // JSON is YAML.
  return JSON.stringify({
    version: 1,
    dataDir: "data",
    redis: { url: redisUrl },
    issuers: { ca: { directory: "https://127.0.0.1:1/directory", termsOfServiceAgreed: true } },
    solvers: { http: { type: "http-01" } },
    targets: {
      lb: { type: "files", directory: "/nonexistent/lb", bundle: "{certificate}.pem" },
      edge: { type: "files", directory: "/nonexistent/edge", bundle: "{certificate}.pem" },
    },
    defaults: { issuer: "ca", solver: "http", targets: ["lb"] },
    certificates,
  });
}

export async function createInstallation(
  text: string,
  options: { readonly planned?: boolean } = {},
): Promise<Installation> {
  const directory = await mkdtemp(join(tmpdir(), "renewd-cli-"));
  const configFile = join(directory, "renewd.yaml");
  await writeFile(configFile, text);
  await cp(await emptyData(), join(directory, "data"), { recursive: true });
  const reader = await openReader(configFile);
  const { store } = reader;
  const { certificates } = reader.config;
  if (options.planned ?? true) await store.certificates.sync(certificates, Date.now());
  return {
    directory,
    configFile,
    store,
    certificates,
    certificate(name) {
      const found = certificates.find((each) => each.name === name);
      if (found === undefined) throw new Error(`the test's configuration has no certificate ${name}`);
      return found;
    },
    run: (...args) => runCaptured(["-c", configFile, ...args]),
    issue: (version) => store.versions.insert(version, new Secret("planted-private-key")),
    async [Symbol.asyncDispose]() {
      await reader.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

let template: Promise<string> | null = null;

/**
 * A data directory with a master key and a migrated, empty database. Migrating is most of what an installation costs.
 */
function emptyData(): Promise<string> {
  template ??= (async () => {
    const directory = await mkdtemp(join(tmpdir(), "renewd-empty-"));
    const configFile = join(directory, "renewd.yaml");
    await writeFile(configFile, configText(["www"]));
    await (await openReader(configFile)).close();
    return join(directory, "data");
  })();
  return template;
}

/** Runs a command line with its output caught; neither stream is a terminal. */
export async function runCaptured(args: readonly string[]): Promise<CommandResult> {
  const [stdout, stderr] = [[] as string[], [] as string[]];
  const code = await runCommandLine(args, {
    stdout: { write: (text) => stdout.push(text) },
    stderr: { write: (text) => stderr.push(text) },
  });
  return { code, stdout: stdout.join(""), stderr: stderr.join("") };
}
