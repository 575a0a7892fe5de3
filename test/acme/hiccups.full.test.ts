import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { HICCUPS, REQUESTS, survive } from "../support/ca/hiccups.ts";
import { type CaFixture, startCa } from "./caFixture.ts";

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa({ env: { PEBBLE_WFE_NONCEREJECT: "0", PEBBLE_AUTHZREUSE: "0" } });
});
afterAll(() => ca[Symbol.asyncDispose]());
afterEach(() => {
  ca.proxy.intercept = null;
});

describe.each(Object.entries(REQUESTS))("one hiccup of the CA at %s", (_place, matches) => {
  it.each(Object.entries(HICCUPS))("%s costs no long wait, and the certificate comes", async (_name, hiccup) => {
    const survived = await survive(ca.proxy, ca.solver, matches, hiccup);
    expect(survived).toMatchObject({ failed: null, tooLong: [], issued: 1 });
  });
});
