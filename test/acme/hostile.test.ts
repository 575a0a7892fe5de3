import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { RenewalError } from "../../src/domain/errors.ts";
import type { ProxiedRequest, ProxyAnswer } from "../support/ca/acmeProxy.ts";
import { createRoot } from "../support/ca/pki.ts";
import { freePort } from "../support/freePort.ts";
import { memoryProgress } from "../support/model/orderMemory.ts";
import { type CaFixture, request, running, startCa } from "./caFixture.ts";

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa();
  // The account exists, so each test's faults hit the order.
  await ca.issuer().issue(request(), memoryProgress(), ca.solvers, running());
});
afterAll(() => ca[Symbol.asyncDispose]());
afterEach(() => {
  ca.proxy.intercept = null;
});

const PROBLEM = { "content-type": "application/problem+json" };
function problem(status: number, name: string, detail: string, headers: Record<string, string> = {}): ProxyAnswer {
  return {
    status,
    headers: { ...PROBLEM, ...headers },
    body: JSON.stringify({ type: `urn:ietf:params:acme:error:${name}`, detail }),
  };
}

function attempt(change: Parameters<CaFixture["issuer"]>[0] = {}, signal = running(), progress = memoryProgress()) {
  return ca.issuer(change).issue(request(), progress, ca.solvers, signal);
}

describe("a directory that cannot be used", () => {
  it("behind an untrusted certificate is refused, naming the issuer and what to set", async () => {
    const stranger = await createRoot();
    const before = ca.proxy.requests.length;
    const failed = attempt({ trustPem: stranger.certPem });
    await expect(failed).rejects.toMatchObject({
      code: "acme.untrusted",
      message: expect.stringMatching(/CA "pebble" .*Set `trust` of issuer "pebble"/),
    });
    await expect(attempt({ trustPem: null })).rejects.toMatchObject({ code: "acme.untrusted" });
    expect(ca.proxy.requests.length).toBe(before);
  });

  it("is not trusted because its trust file is empty", () => {
    expect(() => ca.issuer({ trustPem: "" })).toThrow(expect.objectContaining({ code: "config.invalid" }));
  });

  it("behind a certificate for another name is refused", async () => {
    const root = await createRoot();
    const { certPem, keyPem } = await root.issue({ names: ["other.example"] });
    const port = await freePort();
    const server = createTlsServer({ cert: certPem, key: keyPem }).listen(port, "127.0.0.1");
    await expect(attempt({ directory: `https://127.0.0.1:${port}/dir`, trustPem: root.certPem })).rejects.toMatchObject(
      {
        code: "acme.untrusted",
        message: expect.stringContaining("another name"),
      },
    );
    server.close();
  });

  it("where nobody listens is a connection refused", async () => {
    const failed = attempt({ directory: `https://127.0.0.1:${await freePort()}/dir` });
    await expect(failed).rejects.toMatchObject({
      code: "acme.connection",
      message: expect.stringContaining("connection refused"),
    });
  });

  it("at a server without TLS is said to be one", async () => {
    const port = await freePort();
    const server = createServer().listen(port, "127.0.0.1");
    const failed = attempt({ directory: `https://127.0.0.1:${port}/dir` });
    await expect(failed).rejects.toMatchObject({
      code: "acme.connection",
      message: expect.stringContaining("does not speak TLS"),
    });
    server.close();
  });

  it("without https is refused", () => {
    expect(() => ca.issuer({ directory: "http://127.0.0.1/dir" })).toThrow(
      expect.objectContaining({ code: "config.invalid" }),
    );
  });

  it.each([
    ["a page", { status: 200, headers: {}, body: "<html>welcome" }],
    ["JSON of another kind", { status: 200, headers: {}, body: '{"hello":"world"}' }],
    ["404", { status: 404, headers: {}, body: "" }],
    ["a redirect", { status: 302, headers: { location: "/elsewhere" }, body: "" }],
  ])("because it answers with %s is no ACME directory", async (_case, answer) => {
    ca.proxy.intercept = async () => answer;
    await expect(attempt()).rejects.toMatchObject({ code: "acme.directory" });
  });

  it("in maintenance is not blamed on the configuration", async () => {
    ca.proxy.intercept = async () => ({ status: 503, headers: { "retry-after": "60" }, body: "" });
    await expect(attempt()).rejects.toMatchObject({ code: "acme.server", retryAt: expect.any(Number) });
  });

  it("that grows without end is not read to its end", async () => {
    ca.proxy.intercept = async () => ({ status: 200, headers: {}, body: "x".repeat(2_000_000) });
    await expect(attempt()).rejects.toMatchObject({
      code: "acme.connection",
      message: expect.stringContaining("longer than"),
    });
  });
});

describe("a hostile CA", () => {
  it.each([
    [
      "the directory",
      (incoming: ProxiedRequest) => incoming.resource === "directory",
      /"newOrder": *"[^"]*"/,
      '"newOrder": "https://192.0.2.1/steal"',
    ],
    [
      "an order",
      (incoming: ProxiedRequest) => incoming.resource === "newOrder",
      /https:[^"]*authZ[^"]*/,
      "https://192.0.2.1/steal",
    ],
    [
      "an order with credentials",
      (incoming: ProxiedRequest) => incoming.resource === "newOrder",
      /https:\/\/([^"]*authZ[^"]*)/,
      "https://me:you@$1",
    ],
    [
      "another scheme",
      (incoming: ProxiedRequest) => incoming.resource === "newOrder",
      /https:[^"]*authZ[^"]*/,
      "file:///etc/passwd",
    ],
  ])("that points elsewhere in %s is not followed", async (_case, matches, pattern, replacement) => {
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      return matches(incoming) ? { ...answer, body: answer.body.replace(pattern, replacement) } : answer;
    };
    await expect(attempt()).rejects.toMatchObject({
      code: "acme.directory",
      message: expect.stringContaining("outside https://127.0.0.1:"),
    });
  });

  it("that names an order elsewhere has nothing stored", async () => {
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      return incoming.resource === "newOrder" && answer.status === 201
        ? { ...answer, headers: { ...answer.headers, location: "https://192.0.2.1/order" } }
        : answer;
    };
    const progress = memoryProgress();
    await expect(attempt({}, running(), progress)).rejects.toMatchObject({ code: "acme.server" });
    expect(progress.state.orderUrl).toBeNull();
  });

  it("has its text made harmless", async () => {
    ca.proxy.intercept = async (incoming) =>
      incoming.resource === "newOrder"
        ? problem(403, "rejectedIdentifier", `\u001b[2J\r\n{"level":60}${"A".repeat(5000)}`)
        : null;
    const error = await attempt().catch((thrown: unknown) => thrown);
    const { message } = error instanceof RenewalError ? error : new Error("nothing thrown");
    expect(message).toMatch(/^[\x20-\x7e…\uFFFD]+$/);
    expect(message.length).toBeLessThan(600);
  });

  it.each(["../../etc/passwd", "a/b", "", "x".repeat(300), "a\r\nb"])(
    "that sends the token %j has nothing published",
    async (token) => {
      ca.proxy.intercept = async (incoming, forward) => {
        const answer = await forward();
        if (!incoming.path.startsWith("/authZ/") || answer.status !== 200) return answer;
        return {
          ...answer,
          body: answer.body.replace(/"token": *"[^"]*"/g, () => `"token": ${JSON.stringify(token)}`),
        };
      };
      const before = ca.challenges.seen.length;
      await expect(attempt()).rejects.toMatchObject({ code: "solver.failed" });
      expect(ca.challenges.seen.length).toBe(before);
    },
  );

  it.each(["newOrder", "authZ", "chalZ"])("that answers %s with rubbish fails the attempt only", async (place) => {
    ca.proxy.intercept = async (incoming, forward) => {
      const answer = await forward();
      const hit = incoming.resource === place || incoming.path.startsWith(`/${place}/`);
      return hit && answer.status < 300
        ? { ...answer, body: '{"__proto__":{"status":"valid"},"status":["valid"]}' }
        : answer;
    };
    await expect(attempt()).rejects.toMatchObject({ code: "acme.server" });
  });
});
