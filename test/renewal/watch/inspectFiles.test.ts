// Real files, a real TLS server that reads them, and the `files` deployer: what somebody did to the files is undone.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type App, openContext, withoutQueue } from "../../../src/compose/index.ts";
import { Secret } from "../../../src/domain/secret.ts";
import type { Store } from "../../../src/domain/store.ts";
import { createLog } from "../../../src/log.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { deploy } from "../../../src/renewal/steps/deploy.ts";
import { verify } from "../../../src/renewal/steps/verify.ts";
import { inspectDue } from "../../../src/renewal/watch/inspect.ts";
import { observeDue } from "../../../src/renewal/watch/observe.ts";
import { readLeaf } from "../../../src/x509/leaf.ts";
import { createRoot, type IssuedPair } from "../../support/ca/pki.ts";
import { DAY_MS, version } from "../../support/model/facts.ts";
import { type Edge, nameOf, startEdge } from "../../support/servers/edge.ts";
import { createInstallation, type Installation, NO_REDIS } from "../../support/system/installation.ts";

const never = new AbortController().signal;

describe("files of a target", () => {
  const cleanUp = new AsyncDisposableStack();
  let edge: Edge;
  let installation: Installation;
  let store: Store;
  let context: Context;
  let pair: IssuedPair;
  let leafPem: string;
  let foreign: IssuedPair;
  const file = (): string => join(edge.target.directory, "www", "pair.pem");

  beforeAll(async () => {
    edge = cleanUp.use(await startEdge("front"));
    const intermediate = await (await createRoot({ name: "CA" })).intermediate({});
    const issuedPair = await intermediate.issue({ names: [nameOf("www")] });
    leafPem = issuedPair.certPem;
    pair = { ...issuedPair, certPem: leafPem + intermediate.certPem };
    foreign = await (await createRoot({ name: "somebody else" })).issue({ names: [nameOf("www")] });
    installation = cleanUp.use(
      await createInstallation(
        JSON.stringify({
          ...{ version: 1, dataDir: "data", redis: { url: NO_REDIS } },
          issuers: { ca: { directory: "https://127.0.0.1:1/directory", termsOfServiceAgreed: true } },
          solvers: { http: { type: "http-01" } },
          targets: { front: edge.target },
          defaults: { issuer: "ca", solver: "http", targets: ["front"] },
          verification: { connections: 3, spread: "1ms" },
          certificates: { www: { names: [nameOf("www")], endpoints: [edge.endpoint("www")] } },
        }),
      ),
    );
    ({ store } = installation);
    const leaf = readLeaf(leafPem);
    const chainPem = [intermediate.certPem];
    const issued = version({ leaf, leafPem, chainPem, verifiedAt: null, createdAt: Date.now() });
    await store.versions.insert(issued, new Secret(pair.keyPem));
    const app: App = cleanUp.use(
      await openContext(installation.configFile, { log: createLog({ level: "error", pretty: false }) }),
    );
    const { clock, log } = app.context;
    context = {
      ...withoutQueue(app.context),
      log: { ...log, warn: () => {} },
      clock: {
        ...clock,
        sleep: async (durationMs, signal) => void (await delay(Math.min(durationMs, 20), null, { signal })),
      },
      clockGuard: { check: async () => {} },
    };
    await heal();
    expect(await edge.serves("www")).toBe(leaf.fingerprint);
    await inspectDue(context, [], never);
  });
  afterEach(() => edge.stuck.clear());
  afterAll(() => cleanUp.disposeAsync());

  async function heal(): Promise<void> {
    await store.certificates.update("www", { nextCheckAt: Date.now() });
    await planDue(context, never);
    const renewal = await store.renewals.active("www");
    expect(renewal).toMatchObject({ reason: "drift", generation: 1 });
    if (renewal === null) return;
    await deploy(context, renewal.id, "front", never);
    await verify(context, renewal.id, never);
    expect(await store.renewals.get(renewal.id)).toMatchObject({ state: "succeeded" });
  }

  async function isWhole(): Promise<boolean> {
    const pem = await readFile(file(), "utf8");
    return pem.includes(pair.certPem.trim()) && pem.includes(pair.keyPem.trim());
  }

  async function drifts(): Promise<number> {
    return (await store.events.list({ types: ["target.drifted"], limit: 100 })).length;
  }

  it.each<[string, () => Promise<unknown>]>([
    ["deleted", () => rm(file())],
    ["replaced by a foreign pair", () => writeFile(file(), foreign.keyPem + foreign.certPem)],
    ["given a foreign key", () => writeFile(file(), foreign.keyPem + pair.certPem)],
    ["left without the CA's certificates", () => writeFile(file(), pair.keyPem + leafPem)],
    ["followed by another CA's certificate", () => writeFile(file(), pair.keyPem + leafPem + foreign.certPem)],
  ])(
    "%s while the server still serves the right pair from memory are put back before its restart",
    async (_, sabotage) => {
      const before = await drifts();
      edge.stuck.set("www", pair);
      await sabotage();
      await store.deployments.inspectBy("www", Date.now());
      expect(await inspectDue(context, [], never)).toBe(1);
      expect(await drifts()).toBe(before + 1);
      await heal();
      expect(await isWhole()).toBe(true);
      await inspectDue(context, [], never);
      expect(await drifts(), "nothing is wrong any more").toBe(before + 1);
      expect(await store.versions.list("www"), "nothing was issued").toHaveLength(1);
    },
  );

  it("are found to be what cannot be read, such as a directory", async () => {
    await rm(file());
    await mkdir(file());
    await store.deployments.inspectBy("www", Date.now());
    expect(await inspectDue(context, [], never)).toBe(1);
    const [drift] = (await store.events.list({ types: ["target.drifted"], limit: 100 })).slice(-1);
    expect(drift?.detail.problem).toContain("is not a regular file");
    await rm(file(), { recursive: true });
    await heal();
    expect(await isWhole()).toBe(true);
    await inspectDue(context, [], never);
  });

  it("that take the server down are put back, although an endpoint without an answer is no drift by itself", async () => {
    await writeFile(file(), foreign.keyPem + pair.certPem);
    await store.certificates.update("www", { nextObservationAt: Date.now() });
    expect(await inspectDue(context, [], never), "no inspection is due").toBe(0);
    await observeDue(context, never);
    expect(await store.observations.statuses("www")).toMatchObject([{ proved: false, errorCode: "verify.dropped" }]);
    expect(await inspectDue(context, [], never)).toBe(1);
    await heal();
    expect(await isWhole()).toBe(true);
    expect(await edge.serves("www")).toBe(readLeaf(pair.certPem).fingerprint);
    expect((await store.versions.latest("www"))?.verifiedAt).toBeGreaterThan(Date.now() - DAY_MS);
  });
});
