import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiDocument, type DocumentedOperation } from "../../src/web/api/document.ts";
import { fillWatched } from "../store/watchedTests.ts";
import { alert, NOW, renewal, sighting, version } from "../support/model/facts.ts";
import { createWebEstate, type WebEstate } from "../support/system/webEstate.ts";

const document = apiDocument("0.0.0");
/** As documented, but a member that is not documented is a fault here. */
const strict: unknown = JSON.parse(JSON.stringify(document), (_, value: unknown) =>
  typeof value === "object" && value !== null && "properties" in value && !("additionalProperties" in value)
    ? { ...value, additionalProperties: false }
    : value,
);
const ajv = new Ajv2020({ strict: false, allErrors: true, formats: { "date-time": true } }).addSchema(
  { $id: "api", ...(strict as object) },
  "api",
);

const HELD = "aaaaaaaa-0000-4000-8000-000000000001";

interface Driven {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly operation: DocumentedOperation;
}
const operations: Driven[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ id: operation.operationId, method, path, operation })),
);

/** What fills the path of any operation. */
const PARAMS: Readonly<Record<string, string>> = {
  target: "lb",
  certificate: "www",
  generation: "1",
  renewal: HELD,
  issuer: "ca",
  alert: "0badcafe",
  rule: "clock",
  fingerprint: "ffffff",
};
/** What an operation needs besides, by its id. */
const NEEDS: Readonly<Record<string, { query?: string; body?: object; refused?: true }>> = {
  renewCertificates: { body: { certificates: ["www"], force: true, reason: "contract" } },
  renewCertificate: { body: { force: true, reason: "contract" } },
  pauseCertificate: { body: { reason: "contract", until: "2d" } },
  acknowledge: { body: { subject: "role/planner+acme+deployer+verifier", reason: "contract" } },
  withdrawAcknowledgement: { body: { subject: "role/planner+acme+deployer+verifier" } },
  acknowledgeAlert: { body: { reason: "contract" } },
  ignoreFound: { body: { reason: "contract", until: "9d" } },
  startReplacement: { body: { issuer: "ca", deadline: "24h", reason: "contract" } },
  startDrill: { body: { certificates: ["www"], dryRun: true } },
  getRenewalDocument: { query: "?of=aaaaaaaa" },
  draftRevocation: { query: "?of=www" },
  getServedDocument: { query: "?address=192.0.2.1" },
  getServedDiffDocument: { query: "?one=192.0.2.1%401d&other=192.0.2.1" },
  removeForeignChallenges: { body: { certificate: "www", value: "all" }, refused: true },

  // No certificate is configured to be broken.
  startExercise: { refused: true },
  getAccount: { refused: true },
  // The certificate's CA does not exist, and no pair before was proved.
  revoke: { body: { of: "www", revocationReason: "superseded" }, refused: true },
  rollBackCertificate: { refused: true },
  rollBackRenewal: { refused: true },
  resumeRenewal: { refused: true },
};
/** They come last: a later one needs what an earlier one left. */
const ORDER = ["pauseCertificate", "acknowledge", "withdrawAcknowledgement", "startReplacement", "cancelReplacement"];

let estate: WebEstate;
let replacement = "";
beforeAll(async () => {
  estate = await createWebEstate({ sections: { notifications: { ops: { type: "command", command: ["/bin/true"] } } } });
  await estate.installation.issue(version({ certificate: "www" }));
  await estate.store.deployments.want("www", ["lb"], 1);
  await estate.store.observations.record(
    {
      certificate: "www",
      endpoint: "www.example.org@192.0.2.1:443",
      generation: 1,
      proved: true,
      ...{ roundEndedAt: NOW, errorCode: null, errorMessage: null },
    } as Parameters<typeof estate.store.observations.record>[0],
    [],
  );
  await estate.store.renewals.insert(renewal({ id: HELD, certificate: "api", state: "issuing" }));
  await estate.store.alerts.save(alert({ notifiedAt: NOW }));
  await estate.store.inventory.record([sighting()], NOW);
  await fillWatched(estate.store);
  const event = { at: NOW, certificate: "api", renewalId: HELD, target: null };
  await estate.store.events.append({ ...event, type: "order.created", detail: { names: ["a", "b"] } });
});
afterAll(() => estate[Symbol.asyncDispose]());

function pathOf({ path, id }: Driven): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) =>
    name === "replacement" ? replacement || "none" : (PARAMS[name] ?? `no-${name}`),
  );
  return `/api/v1${filled}${NEEDS[id]?.query ?? ""}`;
}

function ask(driven: Driven, headers: Record<string, string> = {}): Promise<Response> {
  if (driven.method === "get") return estate.ask(pathOf(driven), { headers });
  const body = JSON.stringify(NEEDS[driven.id]?.body ?? {});
  return estate.ask(pathOf(driven), {
    method: "POST",
    body,
    headers: { "content-type": "application/json", ...headers },
  });
}

function pointer({ path, method }: Driven, status: number, type: string): string {
  const escaped = (part: string): string => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"));
  const parts = ["paths", path, method, "responses", String(status), "content", type, "schema"];
  return `api#/${parts.map(escaped).join("/")}`;
}

async function expectFit(driven: Driven, response: Response): Promise<unknown> {
  const answer: unknown = await response.json();
  const isProblem = response.headers.get("content-type") === "application/problem+json";
  const at = isProblem ? "api#/components/schemas/HttpProblem" : pointer(driven, response.status, "application/json");
  const fits = ajv.getSchema(at);
  expect(fits, `${driven.id}: ${response.status} is documented (${at}): ${JSON.stringify(answer)}`).toBeDefined();
  expect(fits?.(answer), JSON.stringify([answer, fits?.errors], null, 1)).toBe(true);
  return answer;
}

test("the document is OpenAPI 3.1, and is what the API serves", async () => {
  const checked = await new Validator().validate(structuredClone(document));
  expect(checked.errors ?? []).toEqual([]);
  const served = await estate.ask("/api/v1/openapi.json");
  expect(await served.json()).toEqual({
    ...document,
    info: { ...(document.info as object), version: estate.web.version },
  });
});

// Deploying is refused while a renewal is in flight.
const EARLY = ["deployCertificate"];
const ordered = [
  ...operations.filter(({ id }) => EARLY.includes(id)),
  ...operations.filter(({ id }) => !ORDER.includes(id) && !EARLY.includes(id)),
  ...ORDER.flatMap((id) => operations.filter((each) => each.id === id)),
];

describe("every operation of the document", () => {
  test.each(ordered.map((each) => [each.id, each] as const))("%s answers as documented", async (id, each) => {
    if (id === "cancelReplacement") {
      const [started] = await estate.store.replacements.list();
      replacement = started?.id ?? "";
    }
    const response = await ask(each, { "idempotency-key": `contract-${id}` });
    if (each.operation.responses["200"]?.content !== undefined && id === "streamEvents") {
      expect(response.headers.get("content-type")).toBe("text/event-stream");
      await response.body?.cancel();
      return;
    }
    const answer = await expectFit(each, response);
    // What the planted version's key and the token are.
    for (const secret of ["planted-private-key", "PRIVATE KEY", estate.token])
      expect(JSON.stringify(answer)).not.toContain(secret);
    if (NEEDS[id]?.refused === true) expect(response.status, JSON.stringify(answer)).toBeGreaterThanOrEqual(400);
    else if (id !== "getReplacement") expect(response.status, JSON.stringify(answer)).toBeLessThan(300);
    expect(response.status).not.toBe(500);
  });

  test.each(operations.map((each) => [each.id, each] as const))("%s is refused without a token", async (_, each) => {
    const response = await ask(each, { authorization: "Bearer wrong" });
    expect(response.status).toBe(401);
    await expectFit(each, response);
  });

  test.each(operations.filter(({ method }) => method === "get").map((each) => [each.id, each] as const))(
    "%s refuses a parameter that it does not have",
    async (_, each) => {
      const path = pathOf(each);
      const response = await estate.ask(`${path}${path.includes("?") ? "&" : "?"}stat=failed`);
      // What has no parameters at all, and what does not exist, is refused in its own way.
      expect([400, 404]).toContain(response.status);
      await expectFit(each, response);
    },
  );

  test.each(operations.filter(({ method }) => method === "post").map((each) => [each.id, each] as const))(
    "%s refuses a body with an unknown member, no JSON, and another type",
    async (_, each) => {
      const post = (body: string, type: string): Promise<Response> =>
        estate.ask(pathOf(each), { method: "POST", body, headers: { "content-type": type } });
      const answers = [
        await post(JSON.stringify({ ...NEEDS[each.id]?.body, extra: 1 }), "application/json"),
        await post("{", "application/json"),
        await post("reason=x", "application/x-www-form-urlencoded"),
      ];
      expect(answers.map(({ status }) => status)).toEqual([400, 400, 415]);
      for (const response of answers) await expectFit(each, response);
    },
  );
});

const LISTS = operations.filter(({ id }) =>
  /^list(?!Renewals$|Events$|RenewalEvents$|Challenges$|Leftovers$)/.test(id),
);

test.each(LISTS.map((each) => [each.id, each] as const))("%s comes in pages that fit together", async (_, each) => {
  interface Page {
    readonly items: readonly unknown[];
    readonly total: number;
    readonly next: string | null;
  }
  const read = async (query: string): Promise<Page> =>
    (await (await estate.ask(`${pathOf(each)}${query}`)).json()) as Page;
  const whole = await read("?limit=200");
  expect(whole.items).toHaveLength(whole.total);
  const pages: unknown[] = [];
  for (let after = ""; ; ) {
    const page = await read(`?limit=1${after}`);
    pages.push(...page.items);
    if (page.next === null) break;
    after = `&after=${encodeURIComponent(page.next)}`;
  }
  const timeless = (items: unknown): string => JSON.stringify(items).replace(/\d+ (ms|s|min|h|d)\b/g, "LONG");
  expect(timeless(pages)).toBe(timeless(whole.items));
  const etag = (await estate.ask(pathOf(each))).headers.get("etag") ?? "";
  expect((await estate.ask(pathOf(each), { headers: { "if-none-match": etag } })).status).toBe(304);
});

test("a certificate says which file defines it", async () => {
  const certificate = (await (await estate.ask("/api/v1/certificates/www")).json()) as object;
  expect(certificate).toMatchObject({ definedIn: estate.installation.configFile });
});

test("the reference page names every operation and every error code", async () => {
  const page = await (await estate.ask("/api/v1/reference")).text();
  for (const { id } of operations) expect(page).toContain(`id="${id}"`);
  expect(page).toContain('id="request.invalid"');
  expect(page).not.toMatch(/<script|style=/);
});
