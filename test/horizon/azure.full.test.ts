// The client secret that renewd logs in to Azure with, by Azure's own SDK.
import { inspect } from "node:util";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { clientSecretEnds } from "../../src/horizon/azureClientSecret.ts";
import { type GraphFake, startGraphFake } from "../support/fakes/graph.ts";

const SIGNAL = new AbortController().signal;
let fake: GraphFake;

beforeAll(async () => {
  fake = await startGraphFake();
});
afterAll(() => fake.stop());
beforeEach(() => {
  const [hint, other] = [fake.clientSecret.slice(0, 3), "Zz0"];
  const started = "2026-01-31T09:30:00Z";
  fake.passwordCredentials = [
    { displayName: "CI", hint: other, startDateTime: started, endDateTime: "2026-02-01T00:00:00Z" },
    { displayName: "renewd, next", hint, startDateTime: started, endDateTime: "2028-07-31T09:31:00Z" },
    { displayName: "renewd", hint, startDateTime: started, endDateTime: "2027-07-31T09:30:00Z" },
  ];
  fake.mayRead = true;
});

const look = (patch: { readonly clientSecret?: string; readonly clientId?: string } = {}) => {
  const { tenantId, clientId, clientSecret } = { ...fake, ...patch };
  const application = { tenantId, clientId, clientSecret: new Secret(clientSecret), authority: null, vault: null };
  return clientSecretEnds(application, SIGNAL, fake.origin);
};

it("tells to the minute when the secret in use ends, of several the first that begins as it does", async () => {
  expect(await look()).toEqual([
    {
      ...{ what: "client secret", note: 'called "renewd"' },
      ends: Date.UTC(2027, 6, 31, 9, 30),
      begins: Date.UTC(2026, 0, 31, 9, 30),
    },
  ]);
  fake.passwordCredentials = fake.passwordCredentials.slice(0, 1);
  await expect(look()).rejects.toMatchObject({
    code: "horizon.unknown",
    message: expect.stringContaining("begins as"),
  });
});

it("says which permission is missing, and shows no secret of a login that was refused", async () => {
  fake.mayRead = false;
  expect(await look()).toMatchObject([{ ends: null, note: expect.stringContaining("Application.Read.All") }]);
  const wrong = "wrong-client-secret-0123456789";
  const error: unknown = await look({ clientSecret: wrong }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "horizon.unknown", message: expect.stringMatching(/no token: AADSTS7000215: /) });
  expect(inspect(error, { depth: 9 })).not.toContain(wrong);
  fake.disturb("GET /v1.0/", { status: 200, body: "<html>" }, { status: 503, body: {} });
  fake.mayRead = true;
  await expect(look()).rejects.toThrow("answered no JSON");
  await expect(look()).rejects.toThrow("answered 503");
});
