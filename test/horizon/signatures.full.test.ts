import { expect, test } from "vitest";
import { createLookup } from "../../src/solvers/dns/lookup.ts";
import { signatureEnd } from "../../src/solvers/dns/signatures.ts";
import { startBind, startKnot } from "../support/servers/nameServers.ts";

const SIGNAL = AbortSignal.timeout(30_000);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const end = ({ address, port }: { address: string; port: number }) =>
  signatureEnd(createLookup({ resolvers: [{ kind: "dns", address, port }], port }), "example.org", SIGNAL);

test("the signatures of a zone that Knot signs, to the minute", async () => {
  await using knot = await startKnot({ zone: "example.org", signed: { lifetime: "6h" } });
  await expect.poll(() => end(knot), { timeout: 15_000 }).not.toBeNull();
  const found = await end(knot);
  expect(Math.abs((found?.ends ?? 0) - Date.now() - 6 * HOUR_MS)).toBeLessThan(60_000);
  expect(found?.begins).toBeLessThan(Date.now());
});

test("the signatures of a zone that BIND signs, and none of one that nobody signs", async () => {
  await using bind = await startBind({ zone: "example.org", signed: { lifetime: "14d" } });
  await expect.poll(() => end(bind), { timeout: 15_000 }).not.toBeNull();
  const left = ((await end(bind))?.ends ?? 0) - Date.now();
  // BIND spreads them over half a day.
  expect([left > 13 * DAY_MS, left <= 14 * DAY_MS]).toEqual([true, true]);
  await using unsigned = await startBind({ zone: "example.org" });
  expect(await end(unsigned)).toBeNull();
});
