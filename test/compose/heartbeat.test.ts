import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startHeartbeat } from "../../src/compose/heartbeat.ts";
import { openContext } from "../../src/compose/index.ts";
import { parseSecretReference } from "../../src/domain/secretReference.ts";
import { configText, createInstallation, type Installation } from "../support/system/installation.ts";
import { until as untilFound } from "../support/until.ts";

let installation: Installation;
let app: Awaited<ReturnType<typeof openContext>>;
let server: ReturnType<typeof createServer>;
let pings: string[];
let status: number;
const notes = new Map<string, string | null>();
const silent = { debug() {}, info() {}, warn() {}, error() {} };

beforeEach(async () => {
  [pings, status] = [[], 200];
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    pings.push(`${request.method} ${request.url} ${Buffer.concat(chunks)}`);
    response.writeHead(status).end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // It listens on TCP.
  installation = await createInstallation(configText(["www", "api"]));
  await writeFile(join(installation.directory, "ping.url"), `http://127.0.0.1:${port}/s3cr3t\n`);
  app = await openContext(installation.configFile, { log: silent });
});
afterEach(async () => {
  await app.close();
  await installation[Symbol.asyncDispose]();
  server.closeAllConnections();
  server.close();
});

const until = (isSo: () => boolean): Promise<true> =>
  untilFound("a ping or a note", async () => (isSo() ? true : null), 5_000);

function start(style: "healthchecks" | "plain" = "healthchecks") {
  const url = parseSecretReference("file:ping.url");
  return startHeartbeat({
    context: app.context,
    config: () => ({ file: installation.configFile, heartbeat: { url, everyMs: 1, style } }),
    note: (kind, problem) => void notes.set(kind, problem?.message ?? null),
    ...{ retriesMs: [1, 1], checkMs: 5 },
  });
}
const complete = (heartbeat: ReturnType<typeof start>, failing: readonly string[] = []): void => {
  for (const what of ["plan", "sweep", "alerts"] as const) heartbeat.done(what, what === "plan" ? failing : []);
};

test("asks only after plan, sweep and alerts were completed, each time again, with what the planner saw", async () => {
  const heartbeat = start();
  try {
    await until(() => pings.length === 1);
    heartbeat.done("plan", []);
    heartbeat.done("sweep", []);
    expect(pings).toEqual(["POST /s3cr3t/start the planner has started"]);
    heartbeat.done("alerts", []);
    await until(() => pings.length === 2);
    expect(pings[1]).toBe("POST /s3cr3t planner saw 2 of 2");
    complete(heartbeat, ["planning failed"]);
    await until(() => pings.length === 3);
    expect(pings[2]).toBe("POST /s3cr3t/fail planner saw 2 of 2; planning failed");
    await installation.store.certificates.update("www", { nextCheckAt: Date.now() - 3_600_000 });
    complete(heartbeat);
    await until(() => pings.length === 4);
    expect(pings[3]).toBe("POST /s3cr3t/fail planner saw 1 of 2; 1 certificates are overdue");
  } finally {
    await heartbeat.close();
  }
});

test("of the plain style is asked by GET after successes alone", async () => {
  const heartbeat = start("plain");
  try {
    complete(heartbeat, ["planning failed"]);
    complete(heartbeat);
    await until(() => pings.length === 1);
    expect(pings).toEqual(["GET /s3cr3t "]);
  } finally {
    await heartbeat.close();
  }
});

test("a receiver that fails is tried three times, then noted without its secret, until it answers", async () => {
  status = 500;
  const heartbeat = start();
  try {
    await until(() => notes.get("heartbeat") !== null && notes.has("heartbeat"));
    expect(pings.filter((ping) => ping.includes("/start"))).toHaveLength(3);
    expect(notes.get("heartbeat")).toMatch(/^heartbeat: 127\.0\.0\.1:\d+ answered 500$/);
    status = 200;
    complete(heartbeat);
    await until(() => notes.get("heartbeat") === null);
  } finally {
    await heartbeat.close();
  }
});
