import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { version } from "../support/model/facts.ts";
import { createWebEstate } from "../support/system/webEstate.ts";
import { decisionTests } from "./decisionTests.ts";

describe("on SQLite", () => decisionTests(createWebEstate));

const paused = { types: ["certificate.paused"], limit: 10 } as const;

test("what breaks off before the answer is recorded did nothing: the same request with its key does it, once", async () => {
  await using estate = await createWebEstate();
  await estate.installation.issue(version({ certificate: "www" }));
  const pause = (): Promise<Response> =>
    estate.ask("/api/v1/certificates/www/pause", {
      method: "POST",
      body: JSON.stringify({ reason: "a freeze" }),
      headers: { "content-type": "application/json", "idempotency-key": "crash" },
    });
  // As a process that is killed after the action and before the commit leaves it.
  const database = new DatabaseSync(join(estate.installation.directory, "data", "renewd.db"));
  database.exec("create trigger planted before update on web_answers begin select raise(abort, 'planted'); end");
  expect((await pause()).status).toBe(500);
  expect((await estate.store.certificates.get("www"))?.pausedAt).toBeNull();
  expect(await estate.store.events.list(paused)).toEqual([]);
  database.exec("drop trigger planted");
  database.close();
  expect((await pause()).status).toBe(200);
  // As a client whose connection broke after the commit sends it.
  const again = await pause();
  expect([again.status, again.headers.get("idempotency-replayed")]).toEqual([200, "true"]);
  expect(await estate.store.events.list(paused)).toHaveLength(1);
});

test("a renewal that the rules refuse is answered with 409, and the history has the refusal", async () => {
  const certificates = { www: { names: ["www.example.org"], mode: "observe", endpoints: ["www.example.org"] } };
  await using estate = await createWebEstate({ sections: { certificates } });
  const response = await estate.ask("/api/v1/certificates/www/renew", {
    method: "POST",
    headers: { "idempotency-key": "refused" },
  });
  const { detail, code } = (await response.json()) as { detail: string; code: string };
  expect([response.status, code]).toEqual([409, "request.invalid"]);
  expect(detail).toContain("mode: observe");
  const [refusal] = await estate.store.events.list({ types: ["request.refused"], limit: 1 });
  expect(refusal?.detail.by).toBe("api.token");
});

test("several renewals asked for with one key are the same renewals when they are asked for again", async () => {
  await using estate = await createWebEstate();
  const renew = async (): Promise<unknown> => {
    const response = await estate.ask("/api/v1/renewals", {
      method: "POST",
      body: JSON.stringify({ certificates: ["www", "api"], force: true }),
      headers: { "content-type": "application/json", "idempotency-key": "many" },
    });
    return ((await response.json()) as { renewals: { renewalId: string }[] }).renewals.map((each) => each.renewalId);
  };
  const first = await renew();
  // The process died after the renewals were recorded: nothing is known of the key.
  const database = new DatabaseSync(join(estate.installation.directory, "data", "renewd.db"));
  database.exec("delete from web_answers");
  database.close();
  expect(await renew()).toEqual(first);
  expect(await estate.store.renewals.list({ limit: 10 })).toHaveLength(2);
});
