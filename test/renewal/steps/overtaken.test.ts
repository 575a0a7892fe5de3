// An older state of the database was put back by something that is not `renewd restore`: a machine's snapshot, a copied
// file.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, openContext, withoutQueue } from "../../../src/compose/index.ts";
import { Secret } from "../../../src/domain/secret.ts";
import type { Store } from "../../../src/domain/store.ts";
import { createLog } from "../../../src/log.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { rollBackRenewal } from "../../../src/renewal/operator/rollBack.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { observeDue } from "../../../src/renewal/watch/observe.ts";
import { readLeaf } from "../../../src/x509/leaf.ts";
import { type Authority, createRoot, type IssuedPair } from "../../support/ca/pki.ts";
import { DAY_MS, version } from "../../support/model/facts.ts";
import { startTlsServer } from "../../support/servers/tlsServer.ts";
import { createInstallation, type Installation, NO_REDIS } from "../../support/system/installation.ts";

const never = new AbortController().signal;
const NAMES = ["snapshot", "foreign", "older", "sibling", "other"] as const;
const sniOf = (name: string): string => `${name.toLowerCase()}.example.org`;

describe("an endpoint that serves what the database does not know", () => {
  const cleanUp = new AsyncDisposableStack();
  let installation: Installation;
  let store: Store;
  let context: Context;

  beforeAll(async () => {
    const now = Date.now();
    const root = cleanUp.use({ ...(await createRoot({ name: "CA" })), async [Symbol.asyncDispose]() {} });
    const stranger = await createRoot({ name: "somebody else" });
    const issue = (authority: Authority, name: string, days: number): Promise<IssuedPair> =>
      authority.issue({
        names: [sniOf(name)],
        notBefore: new Date(now - days * DAY_MS),
        notAfter: new Date(now + (90 - days) * DAY_MS),
      });
    const sibling = await issue(root, "sibling", 1);
    const served = {
      snapshot: await issue(root, "snapshot", 1),
      foreign: await issue(stranger, "foreign", 1),
      older: await issue(root, "older", 20),
      sibling,
      other: sibling,
    };
    const ports = new Map<string, number>();
    for (const name of NAMES) ports.set(name, cleanUp.use(await startTlsServer({ pairs: [served[name]] })).port);
    const certificates = Object.fromEntries(
      NAMES.map((name) => {
        const sni = sniOf(name === "other" ? "sibling" : name);
        const keyType = name === "other" ? { keyType: "rsa-2048" } : {};
        return [name, { names: [sni], ...keyType, endpoints: [{ host: "127.0.0.1", port: ports.get(name), sni }] }];
      }),
    );
    installation = cleanUp.use(
      await createInstallation(
        JSON.stringify({
          ...{ version: 1, dataDir: "data", redis: { url: NO_REDIS } },
          issuers: { ca: { directory: "https://127.0.0.1:1/directory", termsOfServiceAgreed: true } },
          solvers: { http: { type: "http-01" } },
          targets: { lb: { type: "files", directory: "/nonexistent/lb", bundle: "{certificate}.pem" } },
          defaults: { issuer: "ca", solver: "http", targets: ["lb"] },
          certificates,
        }),
      ),
    );
    ({ store } = installation);
    for (const name of NAMES) {
      const known = name === "other" ? sibling : await issue(root, name, 10);
      await store.versions.insert(
        version({
          certificate: name,
          leaf: readLeaf(known.certPem),
          leafPem: known.certPem,
          chainPem: [],
          createdAt: now - 10 * DAY_MS,
        }),
        new Secret(known.keyPem),
      );
      await store.deployments.want(name, ["lb"], 1);
      await store.deployments.update(name, "lb", 0, { deployedGeneration: 1, deployedAt: now });
      await store.certificates.update(name, { nextCheckAt: now + 50 * DAY_MS });
    }
    const app: App = cleanUp.use(
      await openContext(installation.configFile, { log: createLog({ level: "error", pretty: false }) }),
    );
    const { clock } = app.context;
    context = {
      ...withoutQueue(app.context),
      clock: { ...clock, sleep: async () => {} },
      clockGuard: { check: async () => {} },
    };
    await observeDue(context, never);
    await planDue(context, never);
  });
  afterAll(() => cleanUp.disposeAsync());

  it("newer and from the same CA: a new one is issued above all possible generations; the older is not deployed", async () => {
    expect(await store.renewals.active("snapshot")).toMatchObject({ reason: "restored" });
    expect((await store.renewals.active("snapshot"))?.generation).toBeGreaterThan(1_000 + 10 * 24 * 60);
    const [event] = await store.events.list({ certificate: "snapshot", types: ["certificate.overtaken"], limit: 9 });
    expect(event?.detail).toMatchObject({
      generation: 1,
      address: "127.0.0.1",
      endpoint: expect.stringContaining(sniOf("snapshot")),
    });
    await expect(rollBackRenewal(context, { of: "snapshot", why: null, by: null })).rejects.toMatchObject({
      code: "request.invalid",
      message: expect.stringContaining("may be older than what is live"),
    });
    expect((await installation.run("history", "snapshot")).stdout).not.toContain("undefined");
  });

  it.each(["foreign", "older", "sibling"] as const)(
    "%s: somebody replaced it, which is mended with the pair that exists",
    async (name) => {
      expect(await store.renewals.active(name)).toMatchObject({ reason: "drift", generation: 1 });
      expect(await store.events.list({ certificate: name, types: ["certificate.overtaken"], limit: 9 })).toEqual([]);
    },
  );
});
