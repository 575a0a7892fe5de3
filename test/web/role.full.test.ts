import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Edge, nameOf, startEdge } from "../support/servers/edge.ts";
import { type CommandResult, type RenewdProcess, renewd, startRenewd } from "../support/system/renewd.ts";
import { type System, startSystem } from "../support/system/system.ts";

let system: System;
let edge: Edge;
let running: RenewdProcess;
let url: string;
let token: string;

async function addressOf(process: RenewdProcess): Promise<string> {
  const line = await process.logged("web interface");
  return /"url":"([^"]+)"/.exec(line)?.[1] ?? "";
}

beforeAll(async () => {
  edge = await startEdge("a");
  system = await startSystem({
    targets: { a: edge.target },
    certificates: { solo: { names: [nameOf("solo")], targets: ["a"], endpoints: [edge.endpoint("solo")] } },
  });
  running = startRenewd(["run", "--yes", "--config", system.configFile]);
  url = await addressOf(running);
  token = (await readFile(join(system.dataDir, "api.token"), "utf8")).trim();
  expect(await system.ended("solo", 60_000)).toMatchObject({ state: "succeeded" });
}, 120_000);
afterAll(async () => {
  await running.stop();
  await system[Symbol.asyncDispose]();
  await edge[Symbol.asyncDispose]();
});

const ask = (path: string, headers: Record<string, string> = { authorization: `Bearer ${token}` }): Promise<Response> =>
  fetch(`${url}${path}`, { headers, redirect: "manual" });
const remote = (...args: string[]): Promise<CommandResult> => renewd(["--server", url, "--token", token, ...args]);

test("renewd run serves on loopback alone, and only whom the token in its data directory lets in", async () => {
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect((await stat(join(system.dataDir, "api.token"))).mode & 0o777).toBe(0o600);
  expect((await ask("/api/v1/certificates", {})).status).toBe(401);
  expect(await (await ask("/api/v1/certificates?state=provedLive")).json()).toMatchObject({
    items: [{ certificate: "solo", state: "provedLive", generations: { issued: 1, deployed: 1, observed: 1 } }],
    total: 1,
  });
  expect(await (await ask("/readyz", {})).json()).toMatchObject({ status: "ready" });
});

test("a renewal asked for from elsewhere is followed to its end; the event stream tells of it meanwhile", {
  timeout: 60_000,
}, async () => {
  const stream = await ask("/api/v1/events/stream?certificate=solo&type=renewal.succeeded");
  const first = (async () => {
    let text = "";
    for await (const chunk of stream.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      if (text.includes("data: ")) break;
    }
    return text;
  })();
  const done = await remote("renew", "solo", "--force", "--reason", "asked from elsewhere", "--wait", "--json");
  expect(done.code, done.stderr).toBe(0);
  expect(JSON.parse(done.stdout)).toMatchObject({
    renewals: [{ certificate: "solo", state: "succeeded", via: "queue" }],
  });
  expect(done.stderr).toContain("succeeded");
  expect(await first).toContain("event: renewal.succeeded");
  const [planned] = (await system.store.events.list({ types: ["renewal.planned"], limit: 10 })).slice(-1);
  expect(planned?.detail.why ?? JSON.stringify(planned?.detail)).toMatch(/asked from elsewhere.*with api\.token/);
});

test("renewd open signs one browser in, which a restart does not sign out", { timeout: 60_000 }, async () => {
  const { stdout } = await renewd(["open", "--config", system.configFile]);
  const link = stdout.trim();
  expect(link.startsWith(`${url}/sign-in?code=`)).toBe(true);
  const signedIn = await fetch(link, { redirect: "manual" });
  const cookie = (signedIn.headers.get("set-cookie") ?? "").split(";", 1)[0] ?? "";
  expect((await ask("/", { cookie })).status).toBe(200);
  expect((await fetch(link, { redirect: "manual" })).status).toBe(401);
  expect(await running.stop()).toBe(0);
  running = startRenewd(["run", "--yes", "--config", system.configFile]);
  url = await addressOf(running);
  expect((await ask("/", { cookie })).status).toBe(200);
  expect(await (await ask("/readyz", {})).json()).toMatchObject({ status: "ready" });
});

test("a second web role takes the next free port, and alone it says that nothing is planned", {
  timeout: 60_000,
}, async () => {
  await using second = startRenewd(["--config", system.configFile], {}, "workers/web.ts");
  const other = await addressOf(second);
  expect(other).not.toBe(url);
  expect((await fetch(`${other}/api/v1/status`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(200);
  await running.stop();
  const unready = await fetch(`${other}/readyz`);
  expect(unready.status).toBe(503);
  expect(await unready.json()).toMatchObject({
    checks: [
      { name: "database", ok: true },
      { name: "planner", ok: false },
    ],
  });
  expect(await second.stop()).toBe(0);
});

test("without the role in the configuration nothing listens, and nothing is missing", { timeout: 60_000 }, async () => {
  await system.configure({ sections: { web: { enabled: false } } });
  running = startRenewd(["run", "--yes", "--config", system.configFile]);
  expect(await running.logged("renewd is running")).toContain('"roles":["planner","acme","deployer","verifier"]');
  const status = await renewd(["status", "--config", system.configFile]);
  expect(status.stdout).not.toMatch(/no .*web.* runs/);
});

test("what pages and API are made of is loaded by the first request", { timeout: 60_000 }, async () => {
  await running.stop();
  await system.configure({ sections: {} });
  const list = join(import.meta.dirname, "../support/system/loadedModules.ts");
  const packagesAfter = async (...paths: string[]): Promise<string> => {
    const args = ["run", "--yes", "--config", system.configFile];
    running = startRenewd(args, { NODE_OPTIONS: `--import ${list}` });
    url = await addressOf(running);
    await running.logged("renewd is running");
    for (const path of paths) await (await ask(path)).body?.cancel();
    await running.stop();
    return running.log.findLast((line) => line.startsWith('{"urls"')) ?? "";
  };
  expect(await packagesAfter()).not.toContain("node_modules/hono");
  expect(await packagesAfter("/")).toContain("node_modules/hono");
});
