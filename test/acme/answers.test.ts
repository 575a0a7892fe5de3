// Mistakes of a CA that cost no certificate: members that are wrong or missing, relative links, a byte order mark.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { RenewalError } from "../../src/domain/errors.ts";
import type { ProxiedRequest, ProxyAnswer } from "../support/ca/acmeProxy.ts";
import { createRoot } from "../support/ca/pki.ts";
import { memoryProgress } from "../support/model/orderMemory.ts";
import { type CaFixture, request, running, startCa } from "./caFixture.ts";

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa({ env: { PEBBLE_WFE_NONCEREJECT: "0", PEBBLE_AUTHZREUSE: "0", PEBBLE_ALTERNATE_ROOTS: "1" } });
});
afterAll(() => ca[Symbol.asyncDispose]());
afterEach(() => {
  ca.proxy.intercept = null;
});

type Json = Record<string, unknown>;
type Place = (request: ProxiedRequest) => boolean;

const directory: Place = ({ resource }) => resource === "directory";
const order: Place = ({ path, resource }) =>
  resource === "newOrder" || path.startsWith("/my-order/") || path.startsWith("/finalize-order/");
const authorization: Place = ({ path }) => path.startsWith("/authZ/");
const certificate: Place = ({ path }) => path.startsWith("/certZ/");

function changeAnswers(place: Place, change: (answer: ProxyAnswer) => ProxyAnswer): void {
  ca.proxy.intercept = async (incoming, forward) => {
    const answer = await forward();
    return place(incoming) && answer.status < 300 ? change(answer) : answer;
  };
}

function changeMembers(place: Place, change: (body: Json) => Json): void {
  changeAnswers(place, (answer) => ({ ...answer, body: JSON.stringify(change(JSON.parse(answer.body))) }));
}

const issue = (progress = memoryProgress()) => ca.issuer().issue(request(), progress, ca.solvers, running());

function challenges(change: (challenge: Json) => Json): (body: Json) => Json {
  return (body) => ({ ...body, challenges: (body.challenges as Json[]).map(change) });
}
const meta = (members: Json) => (body: Json) => ({ ...body, meta: { ...(body.meta as Json), ...members } });
const isOther = ({ type }: Json): boolean => type !== "http-01";
const { url: _url, ...urlless } = { type: "foreign-01", status: "pending", url: "" };

describe("the certificate comes although the CA answers with", () => {
  it.each<[string, Place, (body: Json) => Json]>([
    ["`meta: null`", directory, (body) => ({ ...body, meta: null })],
    ["`caaIdentities: null`", directory, meta({ caaIdentities: null })],
    ['`externalAccountRequired: "false"`', directory, meta({ externalAccountRequired: "false" })],
    ["`profiles` of lists", directory, meta({ profiles: { some: [] } })],
    ["`termsOfService: null`", directory, meta({ termsOfService: null })],
    ["`revokeCert: null`", directory, (body) => ({ ...body, revokeCert: null })],
    ["`expires: null`", order, (body) => ({ ...body, expires: null })],
    ["`identifiers: null`", order, (body) => ({ ...body, identifiers: null })],
    [
      "`certificate: null` until it exists",
      order,
      (body) => (body.status === "valid" ? body : { ...body, certificate: null }),
    ],
    [
      "`authorizations: null` once they are valid",
      order,
      (body) => (body.status === "pending" ? body : { ...body, authorizations: null }),
    ],
    [
      "a foreign challenge without `url`",
      authorization,
      (body) => ({ ...body, challenges: [urlless, ...(body.challenges as Json[])] }),
    ],
    [
      "a foreign challenge with `token: null`",
      authorization,
      challenges((each) => (isOther(each) ? { ...each, token: null } : each)),
    ],
    [
      "challenges that are no objects",
      authorization,
      (body) => ({ ...body, challenges: [null, 1, ...(body.challenges as Json[])] }),
    ],
    ["a pending challenge without `status`", authorization, challenges(({ status: _status, ...each }) => each)],
    ["challenges with `status: null`", authorization, challenges((each) => ({ ...each, status: null }))],
    ["`wildcard: null`", authorization, (body) => ({ ...body, wildcard: null })],
  ])("%s", async (_case, place, change) => {
    changeMembers(place, change);
    expect((await issue()).leaf.identifiers).toHaveLength(1);
  });

  it("a byte order mark before its JSON", async () => {
    changeAnswers(
      ({ path }) => !path.startsWith("/certZ/"),
      (answer) => ({ ...answer, body: answer.body === "" ? "" : `\uFEFF${answer.body}` }),
    );
    expect((await issue()).leaf.identifiers).toHaveLength(1);
  });

  it("a chain whose certificates are repeated", async () => {
    const old = await createRoot({ notBefore: new Date(0), notAfter: new Date(1) });
    changeAnswers(certificate, (answer) => ({ ...answer, body: `${answer.body}${answer.body}${old.certPem}` }));
    expect((await issue()).chainPem).toHaveLength(1);
  });

  it("a chain that is broken, when a relative `Link` leads to a good one", async () => {
    changeAnswers(
      ({ path }) => /^\/certZ\/[^/]+$/.test(path),
      (answer) => {
        const relative = String(answer.headers.link).replace(/<https:\/\/[^/]+/g, "<");
        return { ...answer, headers: { ...answer.headers, link: relative }, body: answer.body.slice(0, 1_000) };
      },
    );
    expect((await issue()).chainPem).toHaveLength(1);
  });
});

describe("a member that is needed and wrong is named:", () => {
  it.each<[string, Place, (body: Json) => Json, string]>([
    ["`newOrder`", directory, (body) => ({ ...body, newOrder: null }), "`newOrder`"],
    ["`status` of an order", order, (body) => ({ ...body, status: 1 }), "`status`"],
    ["`authorizations`", order, (body) => ({ ...body, authorizations: null }), "is pending but its `authorizations`"],
    ["`finalize`", order, (body) => ({ ...body, finalize: null }), "`finalize` is missing or wrong"],
    ["`certificate`", order, (body) => ({ ...body, certificate: null }), "is valid but its `certificate`"],
    ["`identifier`", authorization, (body) => ({ ...body, identifier: {} }), "`identifier.type`"],
    [
      "`url` of our challenge",
      authorization,
      challenges((each) => ({ ...each, url: null })),
      "http-01 challenge cannot be used (RFC 8555 §8): `url`",
    ],
    [
      "`token` of our challenge",
      authorization,
      challenges((each) => ({ ...each, token: null })),
      "http-01 challenge cannot be used (RFC 8555 §8): `token`",
    ],
  ])("%s", async (_case, place, change, message) => {
    changeMembers(place, change);
    const failed: RenewalError = await issue().then(
      () => expect.unreachable(),
      (error) => error,
    );
    expect(failed).toMatchObject({ message: expect.stringContaining(message) });
    expect(failed.facts).toMatchObject({ class: "transient", retry: "backoff" });
  });
});

it("a challenge without a type is not listed among those on offer, and a foreign URL is shown", async () => {
  changeMembers(
    authorization,
    challenges(({ type, ...each }) => (isOther({ type }) ? { ...each, type } : each)),
  );
  await expect(issue()).rejects.toThrow(/only (dns-01, tls-alpn-01|tls-alpn-01, dns-01)\.$/);
  changeMembers(order, (body) => ({ ...body, finalize: "https://other.example/1" }));
  await expect(issue()).rejects.toThrow("pointed to https://other.example/1, outside");
});

describe("a CA that asks a person to act", () => {
  it("has its links shown, and its problem is one for a person", async () => {
    ca.proxy.intercept = async (incoming, forward) =>
      incoming.resource === "newOrder"
        ? {
            status: 403,
            headers: {
              "content-type": "application/problem+json",
              link: '<https://ca.example/dir>;rel="index", <https://ca.example/terms/v2>;rel="terms-of-service"',
            },
            body: JSON.stringify({
              type: "urn:ietf:params:acme:error:userActionRequired",
              detail: "Terms of service have changed",
              instance: "https://ca.example/agree/\u202E1",
              title: null,
            }),
          }
        : forward();
    const failed: RenewalError = await issue().then(
      () => expect.unreachable(),
      (error) => error,
    );
    expect(failed).toMatchObject({ code: "acme.userAction", facts: { class: "configuration", retry: "never" } });
    expect(failed.message).toContain(
      "Terms of service have changed (userActionRequired); " +
        "the CA asks you to visit https://ca.example/agree/%E2%80%AE1; " +
        "its terms of service are at https://ca.example/terms/v2",
    );
  });
});

describe("a certificate that stays bad", () => {
  it("is downloaded again by each attempt; no attempt opens another order for the same answer", async () => {
    changeAnswers(certificate, (answer) => ({ ...answer, body: answer.body.slice(0, 1_000) }));
    const progress = memoryProgress();
    const wanted = request();
    const before = ca.proxy.count("newOrder");
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const failed = ca.issuer().issue(wanted, progress, ca.solvers, running());
      await expect(failed).rejects.toMatchObject({ code: "acme.badCertificate" });
    }
    expect(ca.proxy.count("newOrder") - before).toBe(1);
    ca.proxy.intercept = null;
    await ca.issuer().issue(wanted, progress, ca.solvers, running());
    expect(ca.proxy.count("newOrder") - before).toBe(1);
  });
});
