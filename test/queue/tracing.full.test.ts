import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { z } from "zod";
import type { Job } from "../../src/domain/queue.ts";
import { Secret } from "../../src/domain/secret.ts";
import { openJobQueue } from "../../src/queue/producer.ts";
import { startTracing } from "../../src/queue/tracing.ts";
import { startWorker } from "../../src/queue/worker.ts";
import { startRedis } from "../support/servers/redis.ts";

const span = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
});
const body = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: z.array(z.object({ key: z.string(), value: z.unknown() })) }),
      scopeSpans: z.array(z.object({ spans: z.array(span) })),
    }),
  ),
});
type Span = z.infer<typeof span>;

/** An OTLP receiver over HTTP. */
async function startReceiver() {
  const received: Span[] = [];
  const tokens = new Set<string | undefined>();
  const bodies: string[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    bodies.push(text);
    tokens.add(request.headers.authorization);
    for (const { scopeSpans } of body.parse(JSON.parse(text)).resourceSpans)
      for (const { spans } of scopeSpans) received.push(...spans);
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1/traces`,
    ...{ received, tokens, bodies },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

test("a trace follows a renewal from queue to queue: who added each job, and who did it", async () => {
  await using redis = await startRedis();
  await using receiver = await startReceiver();
  const tracing = await startTracing({
    url: receiver.url,
    headers: { authorization: new Secret("Bearer planted-token") },
    ...{ ratio: 1, version: "1.2.3", process: "web-1/42" },
  });
  const options = { kind: "single", url: redis.url, telemetry: tracing.telemetry } as const;
  const queue = openJobQueue(options);
  const ids = { renewalId: "renewal-1", generation: 1, fence: 0, priority: 5 };
  const done = Promise.withResolvers<void>();
  const worker = (kind: Job["kind"], handle: () => Promise<void>) =>
    startWorker({ redis: options, kind, concurrency: 1, handle, onError: done.reject });
  const workers = [
    worker("issue", () => queue.enqueue([{ kind: "deploy", target: "lb", agent: false, ...ids }])),
    worker("deploy", () => queue.enqueue([{ kind: "verify", vantage: null, ...ids }])),
    worker("verify", async () => done.resolve()),
  ];
  try {
    await queue.enqueue([{ kind: "issue", ...ids }]);
    await done.promise;
  } finally {
    for (const each of workers) await each.close();
    await queue.close();
    await tracing.close();
  }
  const { received } = receiver;
  expect(received.length).toBeGreaterThanOrEqual(6);
  // All of one trace, and each but the first caused by another.
  expect(new Set(received.map(({ traceId }) => traceId)).size).toBe(1);
  const spans = new Set(received.map(({ spanId }) => spanId));
  const roots = received.filter(({ parentSpanId }) => !parentSpanId || !spans.has(parentSpanId));
  expect(roots.map(({ name }) => name)).toEqual([expect.stringContaining("issue")]);
  const depth = (at: Span): number => {
    const parent = received.find(({ spanId }) => spanId === at.parentSpanId);
    return parent === undefined ? 1 : 1 + depth(parent);
  };
  expect(Math.max(...received.map(depth))).toBeGreaterThanOrEqual(6);
  expect([...receiver.tokens]).toEqual(["Bearer planted-token"]);
  expect(receiver.bodies.join("")).toContain('"renewd"');
  expect(receiver.bodies.join("")).not.toContain("planted-token");
});

test("a receiver that is away keeps no job waiting", async () => {
  await using redis = await startRedis();
  const tracing = await startTracing({
    url: "http://127.0.0.1:1/v1/traces",
    headers: {},
    ratio: 1,
    version: "1",
    process: "p",
  });
  const options = { kind: "single", url: redis.url, telemetry: tracing.telemetry } as const;
  const queue = openJobQueue(options);
  const done = Promise.withResolvers<void>();
  const worker = startWorker({
    ...{ redis: options, kind: "verify", concurrency: 1, onError: done.reject },
    handle: async () => done.resolve(),
  });
  try {
    await queue.enqueue([{ kind: "verify", vantage: null, renewalId: "r", generation: 1, fence: 0, priority: 5 }]);
    await done.promise;
  } finally {
    await worker.close();
    await queue.close();
    const before = performance.now();
    await tracing.close();
    expect(performance.now() - before).toBeLessThan(10_000);
  }
});
