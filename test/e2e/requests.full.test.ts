import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Queue, QueueEvents } from "bullmq";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { contents } from "../support/pairs/contents.ts";
import { type Haproxy, startHaproxy } from "../support/servers/haproxy.ts";
import { type Section, type System, startSystem } from "../support/system/system.ts";
import { until } from "../support/until.ts";

/** Any BullMQ producer, knowing only docs/queue.md. */
let haproxy: Haproxy;
let system: System;
let queue: Queue;
let results: QueueEvents;

const endpoint = (sni: string): object => ({ host: "127.0.0.1", port: haproxy.port, sni });

const targets = (directory: string): Section => ({
  lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` },
  copy: { type: "files", directory: join(files, directory), bundle: "{certificate}.pem" },
});
let files = "";

beforeAll(async () => {
  files = await mkdtemp(join(tmpdir(), "renewd-copies-"));
  for (const directory of ["old", "new"]) await mkdir(join(files, directory));
  haproxy = await startHaproxy();
  system = await startSystem({
    redis: { appendonly: true },
    targets: targets("old"),
    certificates: {
      shop: { names: ["shop.example.org"], targets: ["lb", "copy"], endpoints: [endpoint("shop.example.org")] },
    },
  });
  const workers = await system.workers();
  await system.ended("shop");
  const connection = { url: system.redis.url };
  queue = new Queue("renewal-requests", { connection, prefix: "{renewd}" });
  results = new QueueEvents("renewal-requests", { connection, prefix: "{renewd}" });
  await results.waitUntilReady();
  planner = workers.planner;
});
let planner: Awaited<ReturnType<System["workers"]>>["planner"];
afterAll(async () => {
  await queue.close();
  await results.close();
  await system[Symbol.asyncDispose]();
  await haproxy.stop();
  await rm(files, { recursive: true });
});

async function ask(payload: unknown): Promise<{ renewalId: string }> {
  const job = await queue.add("request", payload);
  return job.waitUntilFinished(results, 30_000);
}

describe("a renewal by hand through the queue", () => {
  it("refuses a certificate that is not due, saying what to do", async () => {
    await expect(ask({ version: 1, certificate: "shop" })).rejects.toThrow(
      /request\.invalid: certificate: "shop" is not due \(renews .*\); with force \(`--force`\)/,
    );
  });

  it("renews when forced, and the id that comes back can be followed to its end", async () => {
    const { renewalId } = await ask({
      version: 1,
      certificate: "shop",
      force: true,
      reason: "key ceremony",
      requestedBy: "alice",
    });
    const renewal = await system.ended("shop");
    expect(renewal).toMatchObject({
      id: renewalId,
      state: "succeeded",
      trigger: "request",
      reason: "requested",
      generation: 2,
    });
    expect(renewal.reasonDetail).toContain("key ceremony (by alice)");
  });

  it.each([
    [{ version: 1, certificate: "shopp" }, /certificate: "shopp" is not configured; there are: shop/],
    [{ version: 2, certificate: "shop" }, /version/],
    [{ version: 1 }, /certificate/],
    [{ version: 1, certificate: "shop", force: "yes" }, /force/],
    [{ version: 1, certificate: "shop", extra: 1 }, /extra/],
  ])("refuses %j naming the field", async (payload, message) => {
    await expect(ask(payload)).rejects.toThrow(message);
  });
});

describe("a reload by SIGHUP", () => {
  it("takes up a new certificate, and keeps the old configuration when the new one is broken", async () => {
    await system.configure({
      certificates: {
        shop: { names: ["shop.example.org"], targets: ["nowhere"], endpoints: [endpoint("shop.example.org")] },
      },
    });
    planner.kill("SIGHUP");
    const refusal = await planner.logged("configuration not reloaded");
    expect(refusal).toMatch(/renewd\.yaml:\d+:\d+: .*nowhere/);
    await expect(ask({ version: 1, certificate: "shop" })).rejects.toThrow(/is not due/);

    const shop = { names: ["shop.example.org"], targets: ["lb", "copy"], endpoints: [endpoint("shop.example.org")] };
    const blog = { names: ["blog.example.org"], targets: ["lb"], endpoints: [endpoint("blog.example.org")] };
    await system.configure({ certificates: { shop, blog } });
    for (const process of system.running()) process.kill("SIGHUP");
    expect(await system.ended("blog")).toMatchObject({ state: "succeeded", reason: "missing" });
    expect(await system.store.versions.list("shop"), "the unchanged certificate was left alone").toHaveLength(2);

    await system.configure({ targets: targets("new"), certificates: { shop, blog } });
    for (const process of system.running()) process.kill("SIGHUP");
    const moved = await until("the pair in its new place", async () =>
      readFile(join(files, "new", "shop.pem"), "utf8").catch(() => null),
    );
    expect(moved).toBe(await readFile(join(files, "old", "shop.pem"), "utf8"));
    expect(await system.ended("shop")).toMatchObject({ state: "succeeded", reason: "targetChanged", generation: 2 });
    expect(await system.store.versions.list("shop"), "no new certificate for a new place").toHaveLength(2);
  });
});

describe("secrets", () => {
  it("appear nowhere but in the files of targets: not in Redis, its append-only file, the database, logs or history", async () => {
    const keys = await Promise.all([1, 2].map((generation) => system.store.versions.privateKey("shop", generation)));
    // 48 characters from the middle of each key, where no other key has the same.
    const needles = keys.map((key) => key.reveal().replaceAll("\n", "").slice(80, 128));
    expect(
      await readFile(join(haproxy.directory, "shop.pem"), "utf8").then((text) => text.replaceAll("\n", "")),
    ).toContain(needles[1]);

    const events = await system.store.events.list({ limit: 10_000 });
    const logs = system.running().flatMap((process) => process.log);
    const files = [...(await contents(system.redis.directory)), ...(await contents(system.dataDir))].map(
      ([, text]) => text,
    );
    const haystack = [JSON.stringify(events), logs.join("\n"), ...files].map((text) =>
      text.replaceAll("\\n", "").replaceAll("\n", ""),
    );
    expect(haystack.some((text) => text.includes("renewal.succeeded"))).toBe(true);
    for (const needle of needles) for (const text of haystack) expect(text.includes(needle)).toBe(false);
    for (const text of haystack) expect(text).not.toMatch(/PRIVATE KEY/);
  });
});
