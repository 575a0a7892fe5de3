import { once } from "node:events";
import { createServer, type IncomingMessage, request } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nodeListener } from "../../src/web/nodeListener.ts";
import { freePort } from "../support/freePort.ts";
import { renewal, version } from "../support/model/facts.ts";
import { runCaptured } from "../support/system/installation.ts";
import { createWebEstate, type WebEstate } from "../support/system/webEstate.ts";

let estate: WebEstate;
let server: ReturnType<typeof createServer>;
let url = "";
beforeAll(async () => {
  estate = await createWebEstate();
  server = createServer(nodeListener(estate.app, estate.web.readers)).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await estate.installation.issue(version({ certificate: "www" }));
  await estate.store.renewals.insert(renewal({ id: "aaaaaaaa-1", certificate: "api", state: "failed" }));
});
afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await estate[Symbol.asyncDispose]();
});

const remote = (...args: string[]) => runCaptured(["--server", url, "--token", estate.token, ...args]);

test("a decision is carried out there, and the history says who made it with which token", async () => {
  const paused = await remote("pause", "api", "--reason", "a freeze", "--until", "2d");
  expect([paused.code, paused.stdout]).toEqual([0, expect.stringContaining("api is paused until")]);
  const [event] = await estate.store.events.list({ types: ["certificate.paused"], limit: 1 });
  expect(event?.detail).toMatchObject({ reason: "a freeze", by: expect.stringMatching(/^.+@.+ with api\.token$/) });
  const resumed = await remote("resume", "api", "--json");
  expect(JSON.parse(resumed.stdout)).toEqual({ version: 1, certificate: "api", renewalId: null });
});

test("a renewd that has no time for readers is asked again when it says", async () => {
  const listener = nodeListener(estate.app, estate.web.readers);
  let refusals = 0;
  const busy = createServer((asked, answer) => {
    refusals += 1;
    if (refusals > 1) return listener(asked, answer);
    answer.writeHead(503, { "retry-after": "1", "content-type": "application/problem+json" });
    answer.end(JSON.stringify({ detail: "more is asked for", code: "web.unavailable" }));
  }).listen(0, "127.0.0.1");
  await once(busy, "listening");
  const address = `http://127.0.0.1:${(busy.address() as AddressInfo).port}`;
  const { code, stdout } = await runCaptured(["--server", address, "--token", estate.token, "history"]);
  busy.close();
  busy.closeAllConnections();
  expect(code).toBe(0);
  expect(stdout).toContain("api");
});

describe("what goes wrong has the exit code and the message that it has there:", () => {
  test.each([
    [2, "not configured", ["pause", "wwww", "--reason", "x"]],
    [2, "not configured", ["deploy", "wwww"]],
    [2, "must be 1 to 200 characters|must say why", ["pause", "www", "--reason", " "]],
    [2, "not in the future", ["pause", "www", "--reason", "x", "--until", "2020-01-01"]],
    [2, "works on renewd's own machine only: it writes a file there", ["backup", "file"]],
  ])("%s: %s", async (code, message, args) => {
    const { code: exit, stderr } = await remote(...args);
    expect(stderr).toMatch(new RegExp(message));
    expect(exit).toBe(code);
  });

  test("a token that is not valid, a server that is away, and a connection that others could read", async () => {
    const wrong = await runCaptured(["--server", url, "--token", "wrong-token-of-20-chars", "status"]);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("the token is not valid")]);
    const away = await runCaptured([
      "--server",
      `http://127.0.0.1:${await freePort()}`,
      "--token",
      estate.token,
      "status",
    ]);
    expect([away.code, away.stderr]).toEqual([3, expect.stringContaining("ECONNREFUSED")]);
    const clear = await runCaptured(["--server", "http://192.0.2.1", "--token", estate.token, "status"]);
    expect([clear.code, clear.stderr]).toEqual([2, expect.stringContaining("unencrypted")]);
  });
});

describe("over a real connection", () => {
  const path = "/api/v1/certificates/api/retry";
  const send = async (method: string, at: string, body: string | null, headers: Record<string, string> = {}) => {
    const sent = request(`${url}${at}`, { method, headers: { authorization: `Bearer ${estate.token}`, ...headers } });
    if (body !== null) sent.write(body);
    sent.end();
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    response.resume();
    await once(response, "end");
    return response;
  };
  const json = { "content-type": "application/json" };

  test("a body may come without its length, in chunks, or not at all", async () => {
    expect((await send("POST", path, null)).statusCode).toBe(202);
    expect((await send("POST", path, '{"reason":"x"}', json)).statusCode).toBe(202);
    expect((await send("POST", path, "", { "content-length": "0" })).statusCode).toBe(202);
    const tooLarge = JSON.stringify({ reason: "x".repeat(300_000) });
    expect((await send("POST", path, tooLarge, json)).statusCode).toBe(413);
  });

  test("a client that leaves in the middle of its body is no internal error, and two hosts are no request", async () => {
    const faults: string[] = [];
    const { log } = estate.web.renewal;
    const { error } = log;
    Object.assign(log, { error: (_fields: object, message: string) => faults.push(message) });
    const { port } = new URL(url);
    const socket = connect(Number(port), "127.0.0.1");
    const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${estate.token}\r\n`;
    socket.end(`${head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{}`);
    await once(socket.resume(), "close");
    const twice = connect(Number(port), "127.0.0.1");
    twice.end(`GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: other.example\r\n\r\n`);
    const [answer] = (await once(twice, "data")) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 400 /);
    expect((await send("GET", "/api/v1/targets", null)).statusCode).toBe(200);
    Object.assign(log, { error });
    expect(faults).toEqual([]);
  });

  test("another method is refused with what there is", async () => {
    for (const method of ["DELETE", "PATCH", "PUT", "OPTIONS"]) {
      const refused = await send(method, path, method === "PUT" || method === "PATCH" ? "{}" : null, json);
      expect([method, refused.statusCode, refused.headers.allow]).toEqual([method, 405, "POST"]);
      expect((await send(method, "/nothing", null)).statusCode).toBe(404);
    }
  });
});
