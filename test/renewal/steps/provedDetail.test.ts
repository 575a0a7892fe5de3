// What the history says of an endpoint whose addresses were proved in different ways.
import { expect, it } from "vitest";
import type { Evidence, Observation } from "../../../src/domain/endpoint.ts";
import { provedDetail } from "../../../src/renewal/steps/examineEndpoint.ts";
import { eventSentence } from "../../../src/reports/eventSentence.ts";

const ROW: Evidence = {
  ...{ generation: 2, good: 40, goodSince: 0, lastGoodAt: 0, relapses: 0, lastWrongAt: null, recent: [] },
};
const AT_ONCE: Evidence = { ...ROW, good: 3, server: 17, attested: 43 };

const OBSERVATION: Observation = {
  ...{ address: "", port: 443, sni: "www.test", at: 0, durationMs: 1, served: null, problem: null },
};

function told(evidence: Readonly<Record<string, Evidence>>): string {
  const found = Object.keys(evidence).map((address) => ({ ...OBSERVATION, address }));
  const detail = { endpoint: "www.test:443", ...provedDetail(found, new Map(Object.entries(evidence))) };
  const at = { seq: 1, at: 0, certificate: "www", renewalId: null, target: null, worker: "w" };
  return eventSentence({ ...at, type: "verify.converged", detail });
}

it("says how many connections each way of proof took", () => {
  const process = "process 17, which alone listens there and answered each of the last 43 connections to it";
  expect(told({ a: AT_ONCE, b: { ...AT_ONCE, attested: 44 } })).toBe(
    `www.test:443 proved live on 2 addresses, connections in a row: 3, all with ${process}`,
  );
  expect(told({ a: AT_ONCE, b: ROW })).toBe(
    `www.test:443 proved live on 2 addresses, connections in a row: 40; 1 of them with ${process}`,
  );
  expect(told({ a: ROW })).toBe("www.test:443 proved live on 1 address, connections in a row: 40");
});
