import { once } from "node:events";
import { connect, createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startHttp01Responder } from "../../src/web/http01.ts";
import type { Listener } from "../../src/web/listen.ts";

const TOKEN = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
const PATH = "/.well-known/acme-challenge/";

describe("the http-01 responder", () => {
  let responder: Listener;
  let asked: string[];
  let broken = false;
  beforeEach(async () => {
    asked = [];
    broken = false;
    const get = async (token: string): Promise<string | null> => {
      asked.push(token);
      if (broken) throw new Error("database gone");
      return token === TOKEN ? `${TOKEN}.thumb` : null;
    };
    responder = await startHttp01Responder({ host: "127.0.0.1", port: 0, challenges: { get } });
  });
  afterEach(() => responder.close());

  const ask = (path: string, method = "GET"): Promise<Response> =>
    fetch(`http://127.0.0.1:${responder.port}${path}`, { method });

  it("answers a known token with its key authorization", async () => {
    const response = await ask(PATH + TOKEN);
    expect(response.status).toBe(200);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
    expect(await response.text()).toBe(`${TOKEN}.thumb`);
  });

  it("answers HEAD without a body", async () => {
    const response = await ask(PATH + TOKEN, "HEAD");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-length")).toBe(String(TOKEN.length + 6));
    expect(await response.text()).toBe("");
  });

  it("does not know other tokens", async () => {
    expect((await ask(PATH + TOKEN.toLowerCase())).status).toBe(404);
  });

  it.each([
    ["/", "GET"],
    [PATH, "GET"],
    [`${PATH}${TOKEN}/x`, "GET"],
    [`${PATH}%2e%2e%2f${TOKEN}`, "GET"],
    [`${PATH}short`, "GET"],
    [PATH + "x".repeat(257), "GET"],
    [`/x${PATH}${TOKEN}`, "GET"],
    [PATH + TOKEN, "POST"],
    [PATH + TOKEN, "DELETE"],
  ])("answers %s by %s with 404 and asks no database", async (path, method) => {
    expect((await ask(path, method)).status).toBe(404);
    expect(asked).toEqual([]);
  });

  it("answers 503 while the store fails, and recovers", async () => {
    broken = true;
    const response = await ask(PATH + TOKEN);
    expect(response.status).toBe(503);
    expect(await response.text()).toBe("");
    broken = false;
    expect((await ask(PATH + TOKEN)).status).toBe(200);
  });

  it.each(["rubbish\r\n\r\n", `GET ${PATH}${TOKEN} HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(20_000)}\r\n\r\n`])(
    "survives a broken request",
    async (text) => {
      const socket = connect(responder.port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.end(text);
      socket.resume();
      await once(socket, "close");
      expect((await ask(PATH + TOKEN)).status).toBe(200);
    },
  );

  it("cuts off a client that never finishes its request", async () => {
    const socket = connect(responder.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(`GET ${PATH}`);
    socket.resume();
    await once(socket, "close");
    expect((await ask(PATH + TOKEN)).status).toBe(200);
  });

  it("closes although a client holds its connection, and only once", async () => {
    const socket = connect(responder.port, "127.0.0.1");
    socket.on("error", () => undefined);
    await once(socket, "connect");
    const closed = once(socket, "close");
    await responder.close();
    await responder.close();
    socket.resume();
    await closed;
    await expect(ask(PATH + TOKEN)).rejects.toThrow();
  });

  it("shares its port with the responders of other workers", async () => {
    const second = await startHttp01Responder({
      host: "127.0.0.1",
      port: responder.port,
      challenges: { get: async () => `${TOKEN}.thumb` },
    });
    expect(second.port).toBe(responder.port);
    await second.close();
    expect((await ask(PATH + TOKEN)).status).toBe(200);
  });

  it("says so when a stranger holds the port", async () => {
    const stranger = createServer().listen(0, "127.0.0.1");
    await once(stranger, "listening");
    const address = stranger.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const attempt = startHttp01Responder({ host: "127.0.0.1", port, challenges: { get: async () => null } });
    await expect(attempt).rejects.toMatchObject({
      code: "http01.address",
      message: expect.stringMatching(/another program listens on port \d+ of 127.0.0.1: stop it, or let it forward/),
    });
    stranger.close();
  });
});
