import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type RedisServer, startRedis } from "../support/servers/redis.ts";
import { runCaptured } from "../support/system/installation.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis({ listen: "tcp" });
});
afterAll(() => redis?.[Symbol.asyncDispose]());

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-check-"));
});
afterEach(() => rm(directory, { recursive: true }));

async function check(patch: object, ...args: string[]) {
  const file = join(directory, "renewd.yaml");
  const certificate = {
    names: ["www.example.org"],
    issuer: "ca",
    solver: "http",
    targets: ["disk"],
    endpoints: ["127.0.0.1:1"],
  };
  const config = {
    version: 1,
    dataDir: "data",
    http01: { host: "127.0.0.1", port: 8402 },
    redis: { url: redis.url },
    issuers: { ca: { directory: "https://127.0.0.1:1/directory", termsOfServiceAgreed: true } },
    solvers: { http: { type: "http-01" } },
    targets: { disk: { type: "files", directory, bundle: "{certificate}.pem" } },
    certificates: { www: certificate },
    ...patch,
  };
  await writeFile(file, JSON.stringify(config));
  const { code, stdout } = await runCaptured(["-c", file, "config", "check", "--json", ...args]);
  const { surroundings, problems } = JSON.parse(stdout);
  return { code, surroundings, problems };
}

describe("config check finds what start-up and deploying would meet:", () => {
  test("nothing, where all is ready", async () => {
    expect(await check({})).toEqual({ code: 0, surroundings: [], problems: [] });
  });

  test("a target's directory, user and secret", async () => {
    const targets = (options: object) => ({
      targets: { disk: { type: "files", directory, bundle: "a.pem", ...options } },
    });
    for (const [options, message] of [
      [{ directory: join(directory, "nowhere") }, "nowhere"],
      [{ owner: "no-such-user" }, "no user named no-such-user"],
      [{ pkcs12: "a.p12", password: "env:RENEWD_TEST_UNSET" }, "RENEWD_TEST_UNSET is not set"],
    ] as const)
      expect(await check(targets(options))).toMatchObject({
        code: 1,
        surroundings: [{ subject: "target disk", message: expect.stringContaining(message) }],
      });
  });

  /** Two certificates whose files have these paths in these directories. */
  const sharing = (directories: readonly [string, string], bundle: string) => {
    const [one, two] = directories.map((each) => ({ type: "files", directory: each, bundle }));
    const certificate = (name: string, target: string) => ({
      ...{ names: [`${name}.example.org`], issuer: "ca", solver: "http", targets: [target] },
      endpoints: ["127.0.0.1:1"],
    });
    return check({
      targets: { one, two },
      certificates: { www: certificate("www", "one"), api: certificate("api", "two") },
    });
  };

  test.each(["live.pem", "later/live.pem"])(
    "files of two certificates that are one through a link: %s",
    async (bundle) => {
      const [one, two] = [join(directory, "one"), join(directory, "two")];
      await mkdir(one);
      await symlink(one, two);
      // Links that are nobody's place.
      await symlink(join(one, "www.pem"), join(one, "other.pem"));
      const shared = / of certificate api is the same file as .* of certificate www by target one, /;
      const { code, surroundings } = await sharing([one, two], bundle);
      expect(code).not.toBe(0);
      expect(surroundings).toContainEqual(
        expect.objectContaining({ subject: "target two", message: expect.stringMatching(shared) }),
      );
    },
  );

  test("lets a link be that the first deployment replaces", async () => {
    await writeFile(join(directory, "www.pem"), "");
    await symlink(join(directory, "www.pem"), join(directory, "api.pem"));
    expect(await sharing([directory, directory], "{certificate}.pem")).toMatchObject({ code: 0, surroundings: [] });
  });

  test("a target that only a certificate of the database has", async () => {
    const targets = {
      disk: { type: "files", directory, bundle: "{certificate}.pem" },
      other: { type: "files", directory: join(directory, "nowhere"), bundle: "{certificate}.pem" },
    };
    expect(await check({ targets })).toMatchObject({ code: 0 });
    const shop = ["shop", "shop.example.org", "--set", "targets=[other]", "--set", "endpoints=['127.0.0.1:1']"];
    const common = ["--set", "issuer=ca", "--set", "solver=http"];
    const { code, stderr } = await runCaptured([
      ...["-c", join(directory, "renewd.yaml"), "certificates", "add", ...shop, ...common],
    ]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(await check({ targets })).toMatchObject({ code: 1, surroundings: [{ subject: "target other" }] });
  });

  test("secrets of an external account, a solver and a channel", async () => {
    const ca = { directory: "https://127.0.0.1:1/directory", termsOfServiceAgreed: true };
    const patch = {
      issuers: { ca: { ...ca, externalAccount: { keyId: "k", hmacKey: "env:RENEWD_TEST_EAB" } } },
      solvers: { http: { type: "http-01" }, dns: { type: "cloudflare", token: "env:RENEWD_TEST_TOKEN" } },
      notifications: { hook: { type: "webhook", url: "env:RENEWD_TEST_HOOK" } },
    };
    expect(await check(patch)).toMatchObject({
      code: 1,
      surroundings: [
        { subject: "issuer ca", code: "config.secret", message: expect.stringContaining("RENEWD_TEST_EAB") },
        { subject: "solver dns", code: "config.secret", message: expect.stringContaining("RENEWD_TEST_TOKEN") },
        { subject: "channel hook", code: "config.secret", message: expect.stringContaining("RENEWD_TEST_HOOK") },
      ],
    });
  });

  test("a Redis that does not answer, and says in text that the file is right but the machine is not", async () => {
    expect(await check({ redis: { url: "redis://127.0.0.1:1" } })).toMatchObject({
      code: 1,
      surroundings: [{ subject: "Redis", code: "queue.unavailable" }],
    });
    const { stdout } = await runCaptured(["-c", join(directory, "renewd.yaml"), "config", "check"]);
    expect(stdout).toMatch(/no mistakes in the file; 1 certificate; this machine is not ready for it:\n.*Redis/);
  });

  test("a PostgreSQL that does not answer", async () => {
    vi.stubEnv("RENEWD_TEST_DATABASE", "postgresql://renewd:hunter2-secret@127.0.0.1:1/renewd");
    const found = await check({ store: { type: "postgresql", url: "env:RENEWD_TEST_DATABASE" } });
    expect(found).toMatchObject({ code: 1, surroundings: [{ subject: "database", code: "store.unavailable" }] });
    expect(JSON.stringify(found)).not.toContain("hunter2");
  });

  test("a webroot that is not there", async () => {
    expect(await check({ solvers: { http: { type: "webroot", directory: join(directory, "www") } } })).toMatchObject({
      code: 1,
      surroundings: [{ subject: "solver http", message: expect.stringContaining("does not exist") }],
    });
  });

  test("the port of the web role, when another program has it", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const bound = other.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : 0;
    expect(await check({ web: { port } })).toMatchObject({
      code: 1,
      surroundings: [{ subject: "web role", message: expect.stringContaining(String(port)) }],
    });
    other.close();
  });

  test("the responder's port, when another program has it", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const bound = other.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : 0;
    expect(await check({ http01: { host: "127.0.0.1", port } })).toMatchObject({
      code: 1,
      surroundings: [
        {
          subject: "http-01 responder",
          message: expect.stringContaining(
            `another program listens on port ${port} of 127.0.0.1: stop it, or let it forward`,
          ),
        },
      ],
    });
    other.close();
  });

  test("a data directory that others may write", async () => {
    await mkdir(join(directory, "data"));
    await chmod(join(directory, "data"), 0o777);
    expect(await check({})).toMatchObject({ code: 1, surroundings: [{ subject: "data directory" }] });
  });

  test("and with --offline the file alone, without any of its secrets or trust files", async () => {
    const store = { type: "postgresql", url: "env:RENEWD_TEST_UNSET" };
    const ca = {
      directory: "https://127.0.0.1:1/directory",
      trust: "/etc/only/there.pem",
      termsOfServiceAgreed: true,
      externalAccount: { keyId: "a", hmacKey: "env:RENEWD_TEST_UNSET" },
    };
    const targets = { disk: { type: "files", directory: "/nonexistent", bundle: "a.pem" } };
    expect(await check({ store, issuers: { ca }, targets }, "--offline")).toEqual({
      code: 0,
      surroundings: [],
      problems: [],
    });
    expect((await check({ store, issuers: { ca }, targets })).problems.length).toBeGreaterThan(0);
    expect((await check({ store, certificates: { www: {} } }, "--offline")).code).toBe(2);
  });
});
