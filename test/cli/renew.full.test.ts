import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import type { Renewal } from "../../src/domain/renewal.ts";
import { type RedisServer, startRedis } from "../support/servers/redis.ts";
import { configText, createInstallation, type Installation } from "../support/system/installation.ts";
import { renewd, startRenewd } from "../support/system/renewd.ts";
import { until } from "../support/until.ts";

const stack: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of stack.splice(0).reverse()) await each[Symbol.asyncDispose]();
});
function use<T extends AsyncDisposable>(resource: T): T {
  stack.push(resource);
  return resource;
}

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

async function installationWith(redis: RedisServer | null, names = ["www", "api"]): Promise<Installation> {
  return use(await createInstallation(redis === null ? configText(names) : configText(names, redis.url)));
}

/** Ends a renewal as the verifier would, with an event on the way. */
async function end(
  { store }: Installation,
  { id, certificate, fence }: Renewal,
  state: "succeeded" | "failed",
): Promise<void> {
  const now = Date.now();
  await store.transaction(async (tx) => {
    const error = state === "failed" ? { errorCode: "acme.caa", errorMessage: "CAA forbids \u001b[2J it" } : {};
    expect(await tx.renewals.update(id, fence, { state, finishedAt: now, nextActionAt: null, ...error })).toBe(true);
    await tx.events.append({
      at: now,
      type: "version.issued",
      certificate,
      renewalId: id,
      target: null,
      detail: { serial: "0A", issuedBy: "CA", notAfter: now },
    });
  });
}

const active = (installation: Installation, name: string) =>
  until(`a renewal of ${name}`, () => installation.store.renewals.active(name));

describe("while Redis is unreachable", () => {
  test("renewals are recorded in the database within 5 s, and stderr says what that means", async () => {
    const installation = await installationWith(null);
    const startedAt = performance.now();
    const { code, stdout, stderr } = await installation.run("renew", "www", "api", "--reason", "key leaked");
    const elapsedMs = performance.now() - startedAt;
    const [www, api] = [
      await installation.store.renewals.active("www"),
      await installation.store.renewals.active("api"),
    ];
    expect({ code, stdout }).toEqual({ code: 0, stdout: `www  renewal ${www?.id}\napi  renewal ${api?.id}\n` });
    expect(www).toMatchObject({
      trigger: "request",
      reason: "missing",
      reasonDetail: expect.stringContaining("key leaked"),
    });
    expect(stderr).toContain("Redis at 127.0.0.1:1 is not reachable");
    expect(stderr).toContain(`recorded in the database as ${www?.id}, ${api?.id}`);
    expect(stderr).toContain("what to do: Start Redis or correct `redis.url`");
    expect(elapsedMs).toBeLessThan(5_000);
  });

  test("the process ends by itself once it has answered", async () => {
    const installation = await installationWith(null);
    const { code, stdout } = await renewd(["-c", installation.configFile, "renew", "www"]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `www  renewal ${(await active(installation, "www")).id}\n` });
  });

  test("asking twice gives the same renewal, and --json says it went into the database", async () => {
    const installation = await installationWith(null);
    const first = JSON.parse((await installation.run("renew", "www", "--json")).stdout);
    const second = JSON.parse((await installation.run("renew", "www", "--json")).stdout);
    expect(first).toMatchObject({
      version: 1,
      renewals: [{ certificate: "www", via: "database", state: null, error: null }],
    });
    expect(second).toEqual(first);
  });

  test("what the rules refuse is refused there too", async () => {
    const installation = use(await createInstallation(configText(["www"]), { planned: false }));
    const { code, stdout, stderr } = await installation.run("renew", "www", "--json");
    expect(code).toBe(2);
    expect(stderr).toContain("no planner has seen it yet");
    expect(JSON.parse(stdout)).toMatchObject({
      renewals: [{ certificate: "www", renewalId: null, error: { code: "request.invalid" } }],
    });
  });
});

describe("through the queue", () => {
  test("a running planner answers with the id of the renewal it recorded", async () => {
    const redis = use(await startRedis({ listen: "tcp" }));
    const installation = await installationWith(redis);
    const planner = use(startRenewd(["-c", installation.configFile, "worker", "planner"]));
    await planner.logged("renewd is running");
    const { code, stdout, stderr } = await installation.run("renew", "www", "--json");
    expect(stderr).toContain("www  renewal ");
    const { renewals } = JSON.parse(stdout);
    expect({ code, renewals }).toMatchObject({ code: 0, renewals: [{ certificate: "www", via: "queue" }] });
    expect((await active(installation, "www")).id).toBe(renewals[0].renewalId);
    expect(await planner.stop()).toBe(0);
  });

  test("without a planner the request stays queued, and code 3 says so", async () => {
    const redis = use(await startRedis({ listen: "tcp" }));
    const installation = await installationWith(redis, ["www"]);
    const { code, stderr } = await installation.run("renew", "www");
    expect(code).toBe(3);
    expect(stderr).toMatch(/no planner took request \S+ within 5 s; the request stays queued/);
    expect(await installation.store.renewals.active("www")).toBeNull();
  });
});

describe("--wait", () => {
  test("streams the stages of all and ends with 0 when all succeeded", async () => {
    const installation = await installationWith(null);
    const running = installation.run("renew", "www", "api", "--wait");
    for (const name of ["www", "api"]) await end(installation, await active(installation, name), "succeeded");
    const { code, stdout } = await running;
    expect(code).toBe(0);
    expect(stdout).toMatch(/Z {2}www {2}planned \(request\): nothing was issued/);
    expect(stdout).toMatch(/Z {2}api {2}issued serial 0A by CA/);
    expect(stdout).toMatch(/^www {2}succeeded after/m);
    expect(stdout).toMatch(/^api {2}succeeded after/m);
  });

  test("ends with 1 when one failed, with its error and what to do; with --json as one document", async () => {
    const installation = await installationWith(null);
    const running = installation.run("renew", "www", "api", "--wait", "--json");
    await end(installation, await active(installation, "www"), "succeeded");
    await end(installation, await active(installation, "api"), "failed");
    const { code, stdout, stderr } = await running;
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      version: 1,
      renewals: [
        { certificate: "www", state: "succeeded", error: null },
        {
          certificate: "api",
          state: "failed",
          error: { code: "acme.caa", action: expect.stringContaining("CAA record") },
        },
      ],
    });
    expect(stderr).toContain("api  failed after");
    expect(stderr).not.toContain("\u001b");
  });

  test("gives up after --timeout with 4; the renewal goes on", async () => {
    const installation = await installationWith(null, ["www"]);
    const { code, stdout, stderr } = await installation.run("renew", "www", "--wait", "--timeout", "1s", "--json");
    expect(code).toBe(4);
    expect(stderr).toContain("www: still planned; it goes on");
    expect(JSON.parse(stdout)).toMatchObject({ renewals: [{ state: "planned" }] });
    expect((await active(installation, "www")).state).toBe("planned");
  });

  test("Ctrl-C stops the waiting and not the renewal", async () => {
    const installation = await installationWith(null, ["www"]);
    const child = spawn(process.execPath, [MAIN, "-c", installation.configFile, "renew", "www", "--wait"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const closed = once(child, "close");
    // The first stage is shown only once it waits.
    for await (const chunk of child.stdout) if (String(chunk).includes("planned (request)")) break;
    child.kill("SIGINT");
    const [code] = await closed;
    expect(code).toBe(130);
    expect((await active(installation, "www")).state).toBe("planned");
  });
});

test("a reader that stops early, such as head, is no failure", async () => {
  const installation = await installationWith(
    null,
    Array.from({ length: 200 }, (_, index) => `host-${index}`),
  );
  const child = spawn(process.execPath, [MAIN, "-c", installation.configFile, "certificates"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout.destroy();
  const stderr: string[] = [];
  child.stderr.on("data", (chunk) => stderr.push(String(chunk)));
  const [code] = await once(child, "close");
  expect({ code, stderr: stderr.join("") }).toEqual({ code: 0, stderr: "" });
});
