import { describe, expect, test } from "vitest";
import type { Endpoint } from "../../src/domain/endpoint.ts";
import { createProbe, type ProbeOptions } from "../../src/tls/probe.ts";

const SIGNAL = new AbortController().signal;
const NAME = "www.renewd.test";

function probe(options: Partial<ProbeOptions> = {}) {
  return createProbe({ timeoutMs: 10_000, now: Date.now, ...options });
}

function at(port: number, part: Partial<Endpoint> = {}): Endpoint {
  return { host: NAME, port, sni: NAME, target: null, ...part };
}

describe("finding addresses", () => {
  test("a literal address is used as it is", async () => {
    const prober = probe({ resolve: () => Promise.reject(new Error("not asked")) });
    expect(await prober.addresses(at(443, { host: "192.0.2.7" }), SIGNAL)).toEqual(["192.0.2.7"]);
    expect(await prober.addresses(at(443, { host: "2001:db8::1" }), SIGNAL)).toEqual(["2001:db8::1"]);
  });

  test("the system resolver returns all addresses", async () => {
    expect(await probe().addresses(at(443, { host: "localhost" }), SIGNAL)).toContain("127.0.0.1");
  });

  test.each<[string, Partial<ProbeOptions>, string]>([
    [
      "unknown",
      { resolve: () => Promise.reject(Object.assign(new Error("getaddrinfo ENOTFOUND"), { code: "ENOTFOUND" })) },
      "the name does not resolve",
    ],
    ["without address", { resolve: async () => [] }, "the name has no address"],
    [
      "with absurdly many",
      { resolve: async () => Array.from({ length: 65 }, (_, i) => `192.0.2.${i}`) },
      "65 addresses",
    ],
    [
      "never answered",
      { resolve: () => new Promise(() => {}), timeoutMs: 100 },
      "no answer from the name server within 100 ms",
    ],
  ])("a name %s is unreachable", async (_, options, message) => {
    const found = probe(options).addresses(at(443), SIGNAL);
    await expect(found).rejects.toMatchObject({
      code: "verify.unreachable",
      message: expect.stringContaining(`${NAME}: `),
    });
    await expect(found).rejects.toThrow(message);
  });

  test("the caller's signal ends a lookup", async () => {
    const controller = new AbortController();
    const found = probe({ resolve: () => new Promise(() => {}) }).addresses(at(443), controller.signal);
    controller.abort(new Error("stopping"));
    await expect(found).rejects.toThrow("stopping");
  });
});
