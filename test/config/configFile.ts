import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { Config } from "../../src/config/config.ts";
import { type LoadResult, loadConfig } from "../../src/config/load.ts";
import { REGISTRIES, type Registries, type SolverPlugin } from "../../src/config/schema/registries.ts";

/** A kind of solver beside the real ones, until a real one answers dns-01. */
const dns: SolverPlugin = {
  type: "test-dns",
  description: "Answers dns-01 challenges of tests.",
  challengeType: "dns-01",
  options: z.strictObject({ zone: z.string().optional() }),
  create: () => ({ challengeType: "dns-01", present: async () => {}, cleanUp: async () => {} }),
};

export const KINDS: Registries = {
  ...REGISTRIES,
  solvers: [...REGISTRIES.solvers, { type: dns.type, load: async () => dns }],
};

/** A directory with a renewd.yaml, and whatever else a test puts there. */
export interface ConfigFile extends AsyncDisposable {
  readonly directory: string;
  readonly file: string;
  write(name: string, content: string | Uint8Array): Promise<string>;
  load(environment?: Readonly<Record<string, string>>): Promise<LoadResult>;
  /** The configuration, or all problems as the test's failure. */
  config(environment?: Readonly<Record<string, string>>): Promise<Config>;
  /** `line:column message` of each problem. */
  problems(environment?: Readonly<Record<string, string>>): Promise<string[]>;
}

export async function configFile(content: string | Uint8Array): Promise<ConfigFile> {
  const directory = await mkdtemp(join(tmpdir(), "renewd-config-"));
  const file = join(directory, "renewd.yaml");
  await writeFile(file, content);
  const load: ConfigFile["load"] = (environment = {}) =>
    loadConfig(file, { registries: KINDS, environment: (name) => environment[name] });
  return {
    directory,
    file,
    async write(name, text) {
      await writeFile(join(directory, name), text);
      return join(directory, name);
    },
    load,
    async config(environment) {
      const result = await load(environment);
      if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join("\n"));
      return result.config;
    },
    async problems(environment) {
      const result = await load(environment);
      return result.ok ? [] : result.problems.map(({ line, column, message }) => `${line}:${column} ${message}`);
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

/** A whole, right file; `certificates` replaces its certificates, `extra` is added at the end. */
export function estate(certificates = WWW, extra = ""): string {
  return `version: 1
issuers:
  le: { directory: "https://ca.example/dir", termsOfServiceAgreed: true }
solvers:
  web: { type: http-01 }
  dns: { type: test-dns }
targets:
  edge: { type: files, bundle: "/etc/tls/{certificate}.pem" }
  fixed: { type: files, bundle: /etc/tls/fixed.pem }
defaults: { issuer: le, solver: web, targets: [edge] }
certificates:
${certificates}
${extra}`;
}

const WWW = `  www: { names: [www.example.org], endpoints: ["www.example.org:443"] }`;
