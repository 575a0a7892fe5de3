import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Ajv } from "ajv";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";

const root = join(import.meta.dirname, "../..");

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly read_only?: boolean;
  readonly restart?: string;
  readonly stop_grace_period?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly secrets?: readonly string[];
  readonly volumes?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}
interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

const load = (): unknown => parse(readFileSync(join(root, "docker-compose.yml"), "utf8"), { merge: true });

// The Compose Specification's own schema, as dclint ships it; we keep no copy.
const packageFile = createRequire(import.meta.url).resolve("dclint/package.json");
const schema: Record<string, unknown> = JSON.parse(
  readFileSync(join(dirname(packageFile), "schemas/compose.schema.json"), "utf8"),
);
// Its `$schema` misspells the draft's name (https), which Ajv would look up; its `format`s are annotations of Compose's
// own.
const { $schema: _, ...body } = schema;
const validate = new Ajv({ strict: false, allErrors: true, validateFormats: false, allowUnionTypes: true }).compile(
  body,
);

function problems(file: unknown): string[] {
  return validate(file) ? [] : (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message}`);
}

// Boundary: the schema test below proves the shape these tests read.
const compose = load() as ComposeFile;
const services = Object.entries(compose.services);
const workers = services.filter(([, service]) => service.build !== undefined);

describe("docker-compose.yml", () => {
  test("is valid by the Compose Specification's schema", () => {
    expect(problems(load())).toEqual([]);
  });

  test.each([
    ["an unknown key", { services: { a: { image: "a", imagee: "b" } } }],
    ["a command that is no text", { services: { a: { image: "a", command: [1] } } }],
    ["an unknown condition", { services: { a: { image: "a", depends_on: { b: { condition: "service_ready" } } } } }],
  ])("would be refused with %s", (_what, file) => {
    expect(problems(file)).not.toEqual([]);
  });

  test("runs every worker of this repository, each from a file that exists", () => {
    const run = workers.map(([, service]) => /dist\/(workers\/\w+)\.js/.exec(service.command?.join(" ") ?? "")?.[1]);
    const present = readdirSync(join(root, "workers")).map((file) => `workers/${file.replace(/\.ts$/, "")}`);
    expect(run.sort()).toEqual(present.sort());
    expect(present).toHaveLength(5);
  });

  test("builds one image, from a Dockerfile that exists, for all workers", () => {
    expect(new Set(workers.map(([, service]) => service.image)).size).toBe(1);
    for (const [, { build }] of workers)
      expect(existsSync(join(root, build?.context ?? "", build?.dockerfile ?? "missing"))).toBe(true);
  });

  test("keeps Redis' jobs: append-only file on a volume, no eviction, workers wait for it", () => {
    const { redis } = compose.services;
    const command = redis?.command?.join(" ");
    expect(command).toContain("--appendonly yes");
    expect(command).toContain("--maxmemory-policy noeviction");
    expect(redis?.volumes).toEqual(["redis:/data"]);
    for (const [, worker] of workers) expect(worker.depends_on?.redis?.condition).toBe("service_healthy");
  });

  test.each(services)(
    "%s restarts, has time to stop, writes only to volumes and names an exact version",
    (_name, service) => {
      expect(service.restart).toBe("unless-stopped");
      expect(service.stop_grace_period).toMatch(/^\d+s$/);
      expect(service.read_only).toBe(true);
      expect(service.image).toMatch(/^[a-z]+:\d+\.\d+/);
    },
  );

  test.each(services.filter(([name]) => ["redis", "postgres", "acme"].includes(name)))(
    "%s listens, so its health is checked",
    (_name, service) => {
      expect(service.healthcheck?.test[0]).toBe("CMD");
    },
  );

  test("declares every volume and secret it uses, and holds no secret itself", () => {
    for (const [, service] of services) {
      for (const secret of service.secrets ?? []) expect(Object.keys(compose.secrets)).toContain(secret);
      for (const volume of service.volumes ?? []) {
        const [source = ""] = volume.split(":");
        if (!source.startsWith("./")) expect(Object.keys(compose.volumes)).toContain(source);
      }
      for (const [key, value] of Object.entries(service.environment ?? {})) {
        if (/PASSWORD|SECRET|KEY|URL/.test(key)) expect(`${key}=${value}`).toMatch(/=\$\{|_FILE=\/run\/secrets\//);
      }
    }
    for (const { file } of Object.values(compose.secrets)) expect(file).toMatch(/^\.\/secrets\//);
  });
});
