import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ProxyAnswer } from "../support/ca/acmeProxy.ts";
import { memoryProgress } from "../support/model/orderMemory.ts";
import { type CaFixture, request, running, startCa } from "./caFixture.ts";

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa();
});
afterAll(() => ca[Symbol.asyncDispose]());
afterEach(() => {
  ca.proxy.intercept = null;
});

function attempt() {
  return ca.issuer().issue(request(), memoryProgress(), ca.solvers, running());
}

describe("a CA that moves its URLs", () => {
  it.each(["newNonce", "newAccount", "newOrder"])(
    "has its directory read again when the old %s is gone, and the order goes on at once",
    async (name) => {
      await using moved = await startCa();
      let directories = 0;
      moved.proxy.intercept = async (incoming, forward) => {
        const answer = await forward();
        if (incoming.resource !== "directory" || directories++ > 0) return answer;
        const directory: Record<string, string> = JSON.parse(answer.body);
        return { ...answer, body: JSON.stringify({ ...directory, [name]: `${moved.proxy.directory}/old` }) };
      };
      await moved.issuer().issue(request(), memoryProgress(), moved.solvers, running());
      expect(directories).toBe(2);
    },
  );

  it("has its directory read again by the next attempt when another URL is gone", async () => {
    const issuer = ca.issuer();
    const progress = memoryProgress();
    const wanted = request();
    const issue = () => issuer.issue(wanted, progress, ca.solvers, running());
    ca.proxy.intercept = async ({ path }) =>
      path.startsWith("/finalize-order/") ? { status: 404, headers: {}, body: "" } : null;
    await expect(issue()).rejects.toMatchObject({ code: "acme.server" });
    ca.proxy.intercept = null;
    const before = ca.proxy.count("directory");
    await issue();
    expect(ca.proxy.count("directory") - before).toBe(1);
  });
});

describe("a directory", () => {
  const answeredOnce = (first: ProxyAnswer): void => {
    let answers = 0;
    ca.proxy.intercept = async ({ resource }) => (resource === "directory" && answers++ === 0 ? first : null);
  };

  it("that redirects once within its origin is followed, also by a relative URL", async () => {
    const { pathname } = new URL(ca.proxy.directory);
    answeredOnce({ status: 308, headers: { location: pathname }, body: "" });
    const before = ca.proxy.count("directory");
    await attempt();
    expect(ca.proxy.count("directory") - before).toBe(2);
  });

  it("that redirects to another origin is not followed", async () => {
    answeredOnce({ status: 301, headers: { location: "https://192.0.2.1/dir" }, body: "" });
    await expect(attempt()).rejects.toMatchObject({
      code: "acme.directory",
      message: expect.stringContaining("outside"),
    });
  });
});
