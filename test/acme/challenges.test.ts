import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ProxyAnswer } from "../support/ca/acmeProxy.ts";
import { memoryProgress } from "../support/model/orderMemory.ts";
import { type CaFixture, request, running, startCa } from "./caFixture.ts";

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa({ env: { PEBBLE_AUTHZREUSE: "0" } });
});
afterAll(() => ca[Symbol.asyncDispose]());

const DEAD = JSON.stringify({ type: "urn:ietf:params:acme:error:dns", detail: "NXDOMAIN" });

/**
 * The CA says of names that begin with `dead` that they failed, and of those that begin with `slow` that it is still at
 * work.
 */
function answerByName(): void {
  const names = new Map<string, string>();
  ca.proxy.intercept = async ({ path }, forward) => {
    const answer = await forward();
    if (path.startsWith("/authZ/")) learn(answer, names);
    const name = names.get(path) ?? "";
    if (name.startsWith("dead"))
      return { ...answer, body: answer.body.replace(/"status": *"\w+"/, `"status": "invalid", "error": ${DEAD}`) };
    if (!name.startsWith("slow")) return answer;
    return {
      ...answer,
      headers: { ...answer.headers, "retry-after": "600" },
      body: answer.body.replace(/"status": *"\w+"/, '"status": "processing"'),
    };
  };
}

function learn({ status, body }: ProxyAnswer, names: Map<string, string>): void {
  if (status !== 200) return;
  const { identifier, challenges } = JSON.parse(body);
  for (const { url } of challenges) names.set(new URL(url).pathname, identifier.value);
}

it("errors of several names are told apart: numbered, each with its name", async () => {
  answerByName();
  const names = ["dead-8.example.org", "dead-9.example.org", "fine-9.example.org"];
  const attempt = ca.issuer({ orderTimeoutMs: 9_000 }).issue(request(names), memoryProgress(), ca.solvers, running());
  await expect(attempt).rejects.toMatchObject({
    code: "acme.dns",
    message: expect.stringMatching(/^2 names failed: \(1\) [^;]* dead-\d\.[^;]+; \(2\) [^;]* dead-\d\.[^;]+$/),
  });
  ca.proxy.intercept = null;
});

describe("a name that fails", () => {
  it.each([
    [
      "beside one that is accepted and one that is not decided in time",
      ["dead-1.example.org", "fine-1.example.org", "slow-1.example.org"],
      1,
    ],
    [
      "beside others that are not decided in time",
      ["dead-2.example.org", "slow-2.example.org", "slow-3.example.org"],
      0,
    ],
  ])("%s is recorded with how many the CA accepted", async (_case, names, othersValid) => {
    answerByName();
    const progress = memoryProgress();
    const attempt = ca.issuer({ orderTimeoutMs: 4_000 }).issue(request(names), progress, ca.solvers, running());
    await expect(attempt).rejects.toMatchObject({ code: "acme.dns" });
    ca.proxy.intercept = null;
    const failed = progress.events
      .filter(({ type }) => type === "challenge.failed")
      .map(({ detail }) => [detail.identifier, detail.othersValid]);
    expect(failed).toEqual([[names[0], othersValid]]);
  });
});
