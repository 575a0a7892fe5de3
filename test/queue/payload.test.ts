import { describe, expect, test } from "vitest";
import { RenewalError } from "../../src/domain/errors.ts";
import type { Job } from "../../src/domain/queue.ts";
import { jobIdOf } from "../../src/queue/names.ts";
import { parseJob, parseRequest, payloadOf } from "../../src/queue/payload.ts";

const JOBS: Job[] = [
  { kind: "issue", renewalId: "01J-ab", generation: 3, fence: 2, priority: 7 },
  { kind: "deploy", renewalId: "01J-ab", generation: 3, fence: 0, target: "edge/lb:1 ü", agent: false, priority: 7 },
  { kind: "verify", vantage: null, renewalId: "01J-ab", generation: 3, fence: 2, priority: 7 },
];

describe("job payloads", () => {
  test.each(JOBS)("a $kind job survives the way through Redis", (job) => {
    expect(parseJob(job.kind, JSON.parse(JSON.stringify(payloadOf(job))), 7)).toEqual(job);
  });

  test.each([
    ["nothing", undefined, "payload: expected object"],
    ["a string", "issue", "payload: expected object"],
    ["another version", { v: 2, renewalId: "r", generation: 1, fence: 1 }, "v: expected 1"],
    ["a missing id", { v: 1, generation: 1, fence: 1 }, "renewalId: expected string"],
    ["a fraction", { v: 1, renewalId: "r", generation: 1.5, fence: 1 }, "generation: expected int"],
    ["a negative fence", { v: 1, renewalId: "r", generation: 1, fence: -1 }, "fence: Too small"],
    [
      "a surplus field",
      { v: 1, renewalId: "r", generation: 1, fence: 1, privateKey: "x" },
      '"privateKey": unknown field',
    ],
    ["a long id", { v: 1, renewalId: "r".repeat(101), generation: 1, fence: 1 }, "renewalId: Too big"],
  ])("%s is refused by name of the field", (_, data, message) => {
    expect(() => parseJob("issue", data, 0)).toThrow(
      expect.objectContaining({ code: "request.invalid", message: expect.stringContaining(message) }),
    );
  });
});

describe("renewal requests", () => {
  test("all fields are accepted", () => {
    const request = {
      version: 1,
      certificate: "shop",
      force: true,
      reason: "key leaked",
      requestedBy: "ana@example.org",
    };
    expect(parseRequest(request)).toEqual(request);
  });

  test.each([
    [{ version: 1 }, "certificate: expected string, received undefined"],
    [{ version: 1, certificate: 7 }, "certificate: expected string, received number"],
    [{ version: 1, certificate: "" }, "certificate: Too small"],
    [{ version: "1", certificate: "a" }, "version: expected 1"],
    [{ version: 1, certificate: "a", force: "yes" }, "force: expected boolean, received string"],
    [{ version: 1, certificate: "a", reason: "x".repeat(201) }, "reason: Too big"],
    [{ version: 1, certificate: "a", requestedBy: "x".repeat(101) }, "requestedBy: Too big"],
    [{ version: 1, certificate: "a", requestedBy: 'x\n{"level":60}' }, "requestedBy: must not hold control characters"],
    [{ version: 1, certificate: "a", reason: "\u202egnitset" }, "reason: must not hold control characters"],
    [{ version: 1, certificate: "a", certficate: "b" }, '"certficate": unknown field'],
    [JSON.parse('{"version":1,"certificate":"a","__proto__":{"force":true}}'), '"__proto__": unknown field'],
    [[], "payload: expected object"],
    [null, "payload: expected object"],
  ])("%j is refused: %s", (data, message) => {
    expect(() => parseRequest(data)).toThrow(
      expect.objectContaining({ code: "request.invalid", message: expect.stringContaining(message) }),
    );
  });

  test("a hostile payload cannot make a long message", () => {
    const hostile = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, index) => [`${"x".repeat(1_000)}${index}`, index]),
    );
    const error = catchError(() =>
      parseRequest({ version: [], certificate: {}, force: 1, reason: [], requestedBy: 0, ...hostile }),
    );
    expect(error).toBeInstanceOf(RenewalError);
    expect((error as Error).message.length).toBeLessThan(700);
  });
});

describe("job ids", () => {
  test.each(JOBS)("the id of a $kind job holds nothing BullMQ refuses", (job) => {
    expect(jobIdOf(job)).toMatch(/^(issue|deploy|verify)-[A-Za-z0-9._%-]+$/);
  });

  test("different work never shares an id, however targets are named", () => {
    const deploy = (renewalId: string, target: string, fence: number): string =>
      jobIdOf({ kind: "deploy", renewalId, target, agent: false, fence, generation: 1, priority: 0 });
    const ids = [
      deploy("r", "a-1", 2),
      deploy("r-a", "1", 2),
      deploy("r", "a", 12),
      deploy("r", "a%2d1", 2),
      deploy("r", "a:1", 2),
      deploy("r", "a/1", 2),
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });
});

function catchError(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}
