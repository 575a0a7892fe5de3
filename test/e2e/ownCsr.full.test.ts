import { createPublicKey, X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { planDue } from "../../src/renewal/plan/plan.ts";
import { issue } from "../../src/renewal/steps/issue.ts";
import { type MadeCsr, makeCsr, type OwnCsrOptions } from "../support/ca/ownCsr.ts";
import { nameOf } from "../support/servers/edge.ts";
import { runCaptured } from "../support/system/installation.ts";
import { oneProcess } from "../support/system/oneProcess.ts";
import { staged, startStages } from "../support/system/stages.ts";
import { startSystem } from "../support/system/system.ts";

const NO_SIGNAL = new AbortController().signal;

/** Where somebody puts a request and its key. */
interface Desk extends AsyncDisposable {
  readonly csr: { readonly file: string; readonly privateKey: string };
  /** A fresh key and a request with it, in place of those before. */
  put(options?: Partial<OwnCsrOptions>): Promise<MadeCsr>;
}

async function openDesk(name: string): Promise<Desk> {
  const directory = await mkdtemp(join(tmpdir(), "renewd-desk-"));
  const [file, key] = [join(directory, "www.csr"), join(directory, "www.key")];
  return {
    csr: { file, privateKey: `file:${key}` },
    async put(options = {}) {
      const made = await makeCsr({ names: [name], ...options });
      await Promise.all([writeFile(file, made.pem), writeFile(key, made.keyPem, { mode: 0o600 })]);
      return made;
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

it("what is served has the key of the request that lies there, until a new one does; a compromised key is not certified again", {
  timeout: 120_000,
}, async () => {
  await using desk = await openDesk(nameOf("www"));
  const first = await desk.put();
  await using stages = await startStages({
    edges: ["edge"],
    certificates: (edge) => ({ www: staged(edge, "www", [{ targets: ["edge"] }], { csr: desk.csr }) }),
  });
  const { system, run, edge } = stages;
  const { store } = system;
  const agreed = { directory: system.ca.directory, trust: "ca.pem", termsOfServiceAgreed: true };
  await system.configure({
    sections: {
      retry: { deployAttempts: 2, backoff: ["300ms", "5s"] },
      issuers: { ca: agreed, spare: agreed },
      defaults: { issuers: ["ca", "spare"], solver: "http" },
    },
  });
  const served = async (generation: number, { keyPem }: MadeCsr): Promise<void> => {
    const { leaf, leafPem } = await stages.version("www", generation);
    expect(await edge("edge").serves("www")).toBe(leaf.fingerprint);
    expect(
      new X509Certificate(leafPem).publicKey.equals(createPublicKey(keyPem)),
      "the leaf's key is the request's",
    ).toBe(true);
  };

  await system.workers();
  await stages.reaches("www", "succeeded");
  await served(1, first);
  expect((await store.versions.privateKey("www", 1)).reveal()).toBe(first.keyPem);

  // Rotated in place: nobody notices until the next renewal, which takes it.
  const second = await desk.put();
  expect(await run("renew", "www")).toMatchObject({ code: 2, stderr: expect.stringContaining("not due") });
  expect(await stages.ended(await stages.force("www"))).toMatchObject({ state: "succeeded" });
  await served(2, second);

  // Wrong for every CA, so nothing is sent to any, and the old pair stays.
  await desk.put({ names: ["somebody.else.example"] });
  const orders = system.orders();
  expect(await stages.ended(await stages.force("www"))).toMatchObject({
    state: "failed",
    errorCode: "acme.ownCsr",
    errorMessage: expect.stringMatching(
      /^certificates\.www\.csr\.file: .* lacks www\.example\.org; it also asks for somebody\.else\.example/,
    ),
  });
  expect(await stages.events("www", "issue.fallback", "issue.fallbackRefused")).toEqual([]);
  expect(system.orders()).toBe(orders);
  await served(2, second);
  expect((await stages.trouble("www"))?.actions).toContainEqual(expect.stringContaining("`csr`"));

  // The key is known to others. The very request would be certified by the spare CA, if not by the first.
  await Promise.all([
    writeFile(desk.csr.file, second.pem),
    writeFile(desk.csr.privateKey.slice("file:".length), second.keyPem),
  ]);
  const revoked = await run("revoke", "www", "--reason", "keyCompromise", "--yes", "--json");
  const refused = await stages.ended(JSON.parse(revoked.stdout).renewalId);
  expect(refused).toMatchObject({
    state: "failed",
    reason: "revoked",
    errorCode: "acme.ownCsr",
    errorMessage: expect.stringContaining("keyCompromise"),
  });
  expect(system.orders()).toBe(orders);
  const record = await store.certificates.get("www");
  expect((record?.nextAttemptAt ?? 0) - (refused.finishedAt ?? 0), "it is not tried again and again").toBe(86_400_000);

  const third = await desk.put();
  expect(await run("renew", "www", "--wait")).toMatchObject({ code: 0 });
  await served(3, third);
  expect(await stages.reaches("www", "succeeded")).toMatchObject({ reason: "revoked", generation: 3 });

  // For any other reason the same request is replaced once, and that heals it.
  const replaced = await run("revoke", "www", "--reason", "superseded", "--yes", "--json");
  expect(await stages.ended(JSON.parse(replaced.stdout).renewalId)).toMatchObject({ state: "succeeded" });
  await served(4, third);
  expect(await run("renew", "www")).toMatchObject({ code: 2, stderr: expect.stringContaining("not due") });
});

it("a rehearsal orders with the request as well, and finds what is wrong with it", { timeout: 60_000 }, async () => {
  await using desk = await openDesk("www.example.org");
  const made = await desk.put();
  await using system = await startSystem({
    targets: { web: { type: "files", directory: "/nonexistent/web", bundle: "{certificate}.pem" } },
    certificates: {
      www: { names: ["www.example.org"], targets: ["web"], endpoints: ["www.example.org"], csr: desk.csr },
    },
  });
  // Nobody answers in production.
  const ca = {
    directory: "https://127.0.0.1:1/dir",
    staging: system.ca.directory,
    trust: "ca.pem",
    termsOfServiceAgreed: true,
  };
  await system.configure({ sections: { issuers: { ca } } });
  await using _process = await oneProcess(system);
  const order = async (): Promise<object> => {
    const { stdout } = await runCaptured(["-c", system.configFile, "rehearse", "www", "--json"]);
    return JSON.parse(stdout).steps[0];
  };

  expect(await order()).toMatchObject({ step: "order", result: "passed" });
  const csrs = system.ca.requests.map(({ payload }) => (payload as { csr?: string } | null)?.csr); // Any payload of ours is an object.
  expect(csrs).toContain(made.der.toString("base64url"));
  await desk.put({ keyType: "rsa-2048" });
  expect(await order()).toMatchObject({
    result: "failed",
    message: expect.stringContaining("the request's key is rsa-2048"),
  });
  expect(system.orders()).toBe(1);
});

it("another path in the configuration is tried at once, however long the last one kept the certificate waiting", {
  timeout: 60_000,
}, async () => {
  await using desk = await openDesk("www.example.org");
  const made = await desk.put();
  const www = (file: string) => ({
    names: ["www.example.org"],
    targets: ["web"],
    endpoints: ["www.example.org"],
    csr: { ...desk.csr, file },
  });
  await using system = await startSystem({
    targets: { web: { type: "files", directory: "/nonexistent/web", bundle: "{certificate}.pem" } },
    certificates: { www: www(`${desk.csr.file}.old`) },
  });
  const { store } = system;
  {
    await using process = await oneProcess(system);
    const [renewal] = await planDue(process.context, NO_SIGNAL);
    await issue(process.context, renewal?.id ?? "", NO_SIGNAL);
    expect(await system.ended("www")).toMatchObject({
      state: "failed",
      errorCode: "acme.ownCsr",
      errorMessage: expect.stringContaining("does not exist"),
    });
    expect(await planDue(process.context, NO_SIGNAL)).toEqual([]);
    expect((await store.certificates.get("www"))?.nextAttemptAt).toBeGreaterThan(Date.now() + 3_600_000);
  }
  await system.configure({ certificates: { www: www(desk.csr.file) } });
  await using process = await oneProcess(system);
  const { leafPem } = await process.issued("www", 1);
  expect(new X509Certificate(leafPem).publicKey.equals(createPublicKey(made.keyPem))).toBe(true);
});
