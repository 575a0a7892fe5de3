import { afterAll, beforeAll, expect, test } from "vitest";
import { renewal, version } from "../support/model/facts.ts";
import type { CreateWebEstate, WebEstate } from "../support/system/webEstate.ts";

const HELD = "aaaaaaaa-0000-4000-8000-000000000001";
const AT_ONCE = 6;

/** What the API promises of decisions at the same time, on each database. */
export function decisionTests(create: CreateWebEstate): void {
  let estate: WebEstate;
  beforeAll(async () => {
    estate = await create();
    await estate.installation.issue(version({ certificate: "www" }));
    await estate.store.deployments.want("www", ["lb"], 1);
    await estate.store.renewals.insert(renewal({ id: HELD, certificate: "api", state: "issuing" }));
  });
  afterAll(() => estate[Symbol.asyncDispose]());

  const post = (path: string, body: object, headers: Record<string, string> = {}): Promise<Response> =>
    estate.ask(`/api/v1${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json", ...headers },
    });
  const etagOf = async (path: string): Promise<string> => {
    const response = await estate.ask(`/api/v1${path}`);
    return response.headers.get("etag") ?? "";
  };
  const statuses = async (asked: readonly Promise<Response>[]): Promise<number[]> =>
    (await Promise.all(asked)).map(({ status }) => status).sort((a, b) => a - b);
  const events = async (type: "certificate.paused" | "renewal.hurried" | "renewal.planned"): Promise<number> =>
    (await estate.store.events.list({ types: [type], limit: 1_000 })).length;
  const all = Array.from({ length: AT_ONCE }, (_, index) => index);

  test("of clients that saw the same and decide at once, one decides and the others get 412", async () => {
    const etag = await etagOf("/certificates/www");
    const asked = all.map((each) =>
      post("/certificates/www/pause", { reason: `client ${each}` }, { "if-match": etag }),
    );
    expect(await statuses(asked)).toEqual([200, ...all.slice(1).map(() => 412)]);
    expect(await events("certificate.paused")).toBe(1);
  });

  test("so it is with two different actions on one certificate, and with a renewal", async () => {
    // Of a certificate that is paused, as each of the two changes it.
    await post("/certificates/www/pause", { reason: "first" });
    const etag = await etagOf("/certificates/www");
    const both = [
      post("/certificates/www/resume", {}, { "if-match": etag }),
      post("/certificates/www/renew", { force: true }, { "if-match": etag }),
    ];
    const [first, second] = await statuses(both);
    expect([200, 202]).toContain(first);
    expect(second).toBe(412);
    const renewalTag = await etagOf(`/renewals/${HELD}`);
    const hurried = await events("renewal.hurried");
    await estate.store.renewals.update(HELD, 0, { errorCode: "acme.dns", errorMessage: "no" });
    const stale = await post(`/renewals/${HELD}/retry`, {}, { "if-match": renewalTag });
    expect(stale.status).toBe(412);
    const asked = all.map(async () =>
      post(`/renewals/${HELD}/retry`, {}, { "if-match": await etagOf(`/renewals/${HELD}`) }),
    );
    const answers = await statuses(asked);
    expect(answers.filter((status) => status === 202).length).toBe((await events("renewal.hurried")) - hurried);
    expect(answers.filter((status) => status !== 202 && status !== 412)).toEqual([]);
  });

  test("a request that is sent several times at once with one key is carried out once, and each copy is answered", async () => {
    const before = await events("certificate.paused");
    const key = { "idempotency-key": "at-once" };
    const answers = await Promise.all(all.map(() => post("/certificates/api/pause", { reason: "once" }, key)));
    expect(answers.map(({ status }) => status)).toEqual(all.map(() => 200));
    expect(new Set(await Promise.all(answers.map((answer) => answer.text()))).size).toBe(1);
    expect(answers.filter(({ headers }) => headers.has("idempotency-replayed"))).toHaveLength(AT_ONCE - 1);
    expect((await events("certificate.paused")) - before).toBe(1);
  });

  test("a repetition gets its answer although its own first copy has changed what If-Match names", async () => {
    const headers = { "idempotency-key": "with-condition", "if-match": await etagOf("/certificates/api") };
    const [first, again] = [
      await post("/certificates/api/resume", {}, headers),
      await post("/certificates/api/resume", {}, headers),
    ];
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect(await again.text()).toBe(await first.text());
  });
}
