import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { HICCUPS, REQUESTS, survive } from "../support/ca/hiccups.ts";
import { type CaFixture, startCa } from "./caFixture.ts";

// A few kinds at every request; hiccups.full.test.ts has them all.
const KINDS = Object.entries(HICCUPS).filter(([name]) =>
  [
    "a page with status 404",
    "status 503 for a century",
    "a good answer with a Retry-After of a day",
    "half an answer",
    "the problem unauthorized",
    "the problem accountDoesNotExist",
    "a connection cut after the CA has acted",
  ].includes(name),
);

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa({ env: { PEBBLE_WFE_NONCEREJECT: "0", PEBBLE_AUTHZREUSE: "0" } });
});
afterAll(() => ca[Symbol.asyncDispose]());
afterEach(() => {
  ca.proxy.intercept = null;
});

describe.each(Object.entries(REQUESTS))("one hiccup of the CA at %s", (_place, matches) => {
  it.each(KINDS)("%s costs no long wait, and the certificate comes", async (_name, hiccup) => {
    const survived = await survive(ca.proxy, ca.solver, matches, hiccup);
    expect(survived).toMatchObject({ failed: null, tooLong: [], issued: 1 });
  });
});
