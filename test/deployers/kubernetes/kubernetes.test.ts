import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { kubernetes } from "../../../src/deployers/kubernetes/kubernetes.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { toRenewalError } from "../../../src/domain/errors.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { type KubernetesFake, startKubernetesFake } from "../../support/fakes/kubernetes.ts";
import { type SecretInput, secretObjectOf } from "../../support/fakes/kubernetesRules.ts";
import { heldFingerprint } from "../../support/pairs/heldPair.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";

const NEVER = new AbortController().signal;
const SECRETS = "/api/v1/namespaces/web/secrets";

function make(fake: KubernetesFake, more: Record<string, unknown> = {}): Deployer {
  return kubernetes.create(
    kubernetes.options.parse({ kubeconfig: fake.kubeconfig, namespace: "web", ...more }),
    dependencies("cluster"),
  );
}

function heldIn(fake: KubernetesFake, name: string): string | null {
  const data = fake.secret("web", name)?.data;
  const text = (encoded: string | undefined): string | null =>
    encoded === undefined ? null : Buffer.from(encoded, "base64").toString("utf8");
  return heldFingerprint(text(data?.["tls.crt"]), text(data?.["tls.key"]));
}

deployerConformance("kubernetes", async () => {
  const fake = await startKubernetesFake();
  const stored = async (certificate: string): Promise<string | null> => heldIn(fake, `${certificate}-tls`);
  return {
    deployer: make(fake),
    stored,
    served: stored,
    async plant(planted) {
      const held = fake.secret("web", "conform-tls");
      if (held === null) throw new Error("there is no secret to change");
      const text = (pem: string | undefined): string => Buffer.from(pem ?? "").toString("base64");
      fake.put("kubectl", { ...held, data: { "tls.crt": text(planted?.certPem), "tls.key": text(planted?.keyPem) } });
    },
    fallSilent: () => fake.fallSilent(`PATCH ${SECRETS}`),
    repeats(text, inErrorText) {
      fake.disturbAlways(`PATCH ${SECRETS}`, {
        status: 422,
        body: inErrorText ? { kind: "Status", code: 422, reason: text, message: text } : text,
      });
      return fake.calm;
    },
    async breakDown() {
      fake.disturbAlways(`PATCH ${SECRETS}`, {
        status: 500,
        body: { kind: "Status", code: 500, reason: "InternalError", message: "etcdserver: request timed out" },
      });
      return { code: "deploy.unreachable", mend: async () => fake.calm() };
    },
    [Symbol.asyncDispose]: () => fake.stop(),
  };
});

describe("kubernetes", () => {
  let fake: KubernetesFake;
  let issuer: PairIssuer;
  beforeAll(async () => {
    issuer = await createPairIssuer();
  });
  beforeEach(async () => {
    fake = await startKubernetesFake();
  });
  afterEach(() => fake.stop());

  const issue = (generation: number, certificate = "www") => issuer.issue({ certificate, generation });
  const deploy = (pair: IssuedCertificate, more: Record<string, unknown> = {}) =>
    make(fake, more).deploy({ pair, previous: null }, NEVER);
  const secretOf = (more: Partial<SecretInput> = {}, metadata: Partial<SecretInput["metadata"]> = {}) =>
    secretObjectOf({
      apiVersion: "v1",
      kind: "Secret",
      type: "kubernetes.io/tls",
      data: { "tls.crt": "b2xk", "tls.key": "b2xk" },
      ...more,
      metadata: { name: "www-tls", namespace: "web", ...metadata },
    });

  it("creates a TLS secret with the full chain and marks it", async () => {
    const pair = await issue(3);
    const receipt = await deploy(pair, { labels: { team: "edge" }, annotations: { "reflector.test/allowed": "true" } });
    expect(receipt).toEqual({ namespace: "web", secret: "www-tls", generation: 3, fingerprint: pair.leaf.fingerprint });
    const secret = fake.secret("web", "www-tls");
    expect(secret).toMatchObject({
      type: "kubernetes.io/tls",
      metadata: {
        labels: { team: "edge", "app.kubernetes.io/managed-by": "renewd" },
        annotations: {
          "reflector.test/allowed": "true",
          "renewd/certificate": "www",
          "renewd/generation": "3",
          "renewd/fingerprint": pair.leaf.fingerprint,
        },
      },
    });
    expect(Buffer.from(secret?.data["tls.crt"] ?? "", "base64").toString()).toBe(
      `${pair.leafPem.trimEnd()}\n${pair.chainPem.join("")}`,
    );
  });

  it("applies the next generation as renewd's own fields, leaving others theirs", async () => {
    await deploy(await issue(1));
    const before = fake.secret("web", "www-tls");
    if (before === null) throw new Error("no secret");
    fake.put("kubectl-label", {
      ...before,
      metadata: { ...before.metadata, labels: { ...before.metadata.labels, zone: "a" } },
    });
    const pair = await issue(2);
    await deploy(pair);
    expect(heldIn(fake, "www-tls")).toBe(pair.leaf.fingerprint);
    expect(fake.secret("web", "www-tls")?.metadata.labels).toMatchObject({ zone: "a" });
    const own = fake.managers("web", "www-tls").find(({ operation }) => operation === "Apply");
    expect(own?.manager).toBe("renewd");
    expect([...(own?.fields ?? [])]).toEqual(
      expect.arrayContaining([".data.tls.crt", ".data.tls.key", ".metadata.annotations.renewd/generation"]),
    );
  });

  it("no longer claims a label that left its options", async () => {
    await deploy(await issue(1), { labels: { team: "edge" } });
    await deploy(await issue(2), { labels: { team: "edge" } });
    await deploy(await issue(3));
    expect(
      fake
        .managers("web", "www-tls")
        .find(({ operation }) => operation === "Apply")
        ?.fields.has(".metadata.labels.team"),
    ).toBe(false);
  });

  it("writes nothing when the secret is as wanted", async () => {
    const pair = await issue(1);
    await deploy(pair);
    await deploy(pair);
    expect(fake.requests.filter((line) => !line.startsWith("GET"))).toEqual([`POST ${SECRETS}`]);
  });

  it("restores its own secret after an edit", async () => {
    const pair = await issue(1);
    await deploy(pair);
    const before = fake.secret("web", "www-tls");
    if (before === null) throw new Error("no secret");
    fake.put("kubectl-edit", { ...before, data: { ...before.data, "tls.crt": "b2xk" } });
    await deploy(pair);
    expect(heldIn(fake, "www-tls")).toBe(pair.leaf.fingerprint);
  });

  it("takes over a secret of kubectl only with `takeOver: true`, and says who owns it", async () => {
    fake.put("kubectl-create", secretOf());
    await expect(deploy(await issue(1))).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringMatching(/kubectl-create.*takeOver/),
    });
    expect(fake.secret("web", "www-tls")?.data["tls.crt"]).toBe("b2xk");
    const pair = await issue(1);
    await deploy(pair, { takeOver: true });
    expect(heldIn(fake, "www-tls")).toBe(pair.leaf.fingerprint);
  });

  it.each([
    ["cert-manager", { annotations: { "cert-manager.io/certificate-name": "www" } }],
    ["cert-manager", { labels: { "controller.cert-manager.io/fao": "true" } }],
    ["External Secrets", { labels: { "reconcile.external-secrets.io/managed": "true" } }],
    [
      "SealedSecret www",
      {
        ownerReferences: [
          { apiVersion: "bitnami.com/v1alpha1", kind: "SealedSecret", name: "www", uid: "1", controller: true },
        ],
      },
    ],
  ])("never writes to a secret of %s", async (owner, metadata) => {
    fake.put("controller", secretOf({}, metadata));
    const refusal = { code: "deploy.refused", message: expect.stringContaining(`belongs to ${owner}`) };
    await expect(deploy(await issue(1), { takeOver: true })).rejects.toMatchObject(refusal);
    await expect(make(fake, { takeOver: true }).preflight?.("www", null, NEVER)).rejects.toMatchObject(refusal);
    expect(fake.secret("web", "www-tls")?.data["tls.crt"]).toBe("b2xk");
  });

  it("foresees that a secret's type and an immutable secret cannot change", async () => {
    fake.put("someone", secretOf({ type: "Opaque", data: {} }));
    await expect(deploy(await issue(1), { takeOver: true })).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("type Opaque"),
    });
    fake.put("someone", secretOf({ immutable: true }));
    await expect(deploy(await issue(1), { takeOver: true })).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("immutable"),
    });
    expect(fake.requests.filter((line) => !line.startsWith("GET"))).toEqual([]);
  });

  it("refuses a secret that holds another certificate of renewd's", async () => {
    await deploy(await issue(5, "shop"), { secret: "shared" });
    await expect(deploy(await issue(9), { secret: "shared" })).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("certificate shop"),
    });
  });

  it("does not write over a newer generation that came between its read and its write", async () => {
    await deploy(await issue(1));
    const newer = await issue(3);
    const held = fake.secret("web", "www-tls");
    if (held === null) throw new Error("no secret");
    const annotations = {
      ...held.metadata.annotations,
      "renewd/generation": "3",
      "renewd/fingerprint": newer.leaf.fingerprint,
    };
    fake.afterNextRead(() => fake.put("renewd", { ...held, metadata: { ...held.metadata, annotations } }));
    await expect(deploy(await issue(2))).rejects.toMatchObject({ code: "deploy.newerGeneration" });
    expect(fake.secret("web", "www-tls")?.metadata.annotations["renewd/generation"]).toBe("3");
  });

  it("does not write over a secret that was created between its read and its write", async () => {
    fake.afterNextRead(() => fake.put("kubectl-create", secretOf()));
    await expect(deploy(await issue(1))).rejects.toMatchObject({
      code: "deploy.unreachable",
      message: expect.stringContaining("changed by something else"),
    });
    expect(fake.secret("web", "www-tls")?.data["tls.crt"]).toBe("b2xk");
  });

  it("names the secret of a certificate with characters Kubernetes does not allow, or says that it cannot", async () => {
    expect(await deploy(await issue(1, "a_b.c"))).toMatchObject({ secret: "a-b.c-tls" });
    await expect(deploy(await issue(1, "a."), { secret: "{certificate}" })).rejects.toMatchObject({
      code: "deploy.refused",
    });
  });

  it("says in preflight which permission is missing, and touches nothing", async () => {
    fake.forbid("create");
    await expect(make(fake).preflight?.("www", null, NEVER)).rejects.toMatchObject({
      code: "deploy.forbidden",
      message: expect.stringContaining("create secret web/www-tls"),
    });
    fake.forbid("get");
    await expect(make(fake).preflight?.("www", null, NEVER)).rejects.toMatchObject({
      code: "deploy.forbidden",
      message: expect.stringContaining("cannot get resource"),
    });
    expect(fake.secret("web", "www-tls")).toBeNull();
  });

  it("says what RBAC refuses, and that a token is no longer accepted", async () => {
    await deploy(await issue(1));
    fake.forbid("patch");
    await expect(deploy(await issue(2))).rejects.toMatchObject({
      code: "deploy.forbidden",
      message: expect.stringContaining('cannot patch resource "secrets"'),
    });
    await expect(deploy(await issue(2), { context: "stranger" })).rejects.toMatchObject({ code: "deploy.forbidden" });
  });

  it("asks once when throttled, and says when the server allows the next attempt", async () => {
    const body = {
      kind: "Status",
      code: 429,
      reason: "TooManyRequests",
      message: "the server has received too many requests",
      details: { retryAfterSeconds: 60 },
    };
    fake.disturb(`GET ${SECRETS}`, { status: 429, body });
    const error = toRenewalError(await deploy(await issue(1)).catch((thrown: unknown) => thrown));
    expect(error).toMatchObject({ code: "deploy.rateLimited" });
    expect((error.retryAt ?? 0) - Date.now()).toBeGreaterThan(50_000);
    expect(fake.requests).toHaveLength(1);
  });

  it("distinguishes a server that does not answer from one that is not there", async () => {
    fake.disturb("GET", "hang");
    await expect(deploy(await issue(1), { timeout: "300ms" })).rejects.toMatchObject({ code: "deploy.timeout" });
    const pair = await issue(1);
    const deployer = make(fake);
    fake.disturb("GET", "hang");
    const controller = new AbortController();
    const stop = new Error("stop");
    const running = deployer.deploy({ pair, previous: null }, controller.signal);
    controller.abort(stop);
    await expect(running).rejects.toBe(stop);
    const directory = await mkdtemp(join(tmpdir(), "renewd-kube-"));
    try {
      const kubeconfig = join(directory, "config");
      await copyFile(fake.kubeconfig, kubeconfig);
      await fake.stop();
      await expect(deploy(pair, { kubeconfig })).rejects.toMatchObject({
        code: "deploy.unreachable",
        message: expect.stringContaining("ECONNREFUSED"),
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("sends nothing unencrypted to another machine, whatever the kubeconfig says", async () => {
    const directory = await mkdtemp(join(tmpdir(), "renewd-kube-"));
    try {
      const kubeconfig = join(directory, "config");
      const text = await readFile(fake.kubeconfig, "utf8");
      await writeFile(kubeconfig, text.replaceAll(/"server":"[^"]*"/g, `"server":"http://kube.example:8080"`));
      await expect(deploy(await issue(1), { kubeconfig })).rejects.toMatchObject({
        code: "deploy.refused",
        message: expect.stringContaining("would send keys and tokens unencrypted"),
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("hides a key that an answer quotes", async () => {
    const pair = await issue(1);
    fake.disturb("POST", {
      status: 422,
      body: { kind: "Status", code: 422, reason: "Invalid", message: `invalid: ${pair.privateKey.reveal()}` },
    });
    const shown = inspect(await deploy(pair).catch((thrown: unknown) => thrown), { depth: 10, showHidden: true });
    expect(shown).toContain("repeats a private key");
    expect(shown).not.toContain(pair.privateKey.reveal().split("\n")[1]);
  });

  it("lets two certificates of one target not occupy the same secret", () => {
    const parsed = kubernetes.options.parse({ namespace: "web" });
    expect(kubernetes.occupies?.(parsed, "a_b")).toEqual(kubernetes.occupies?.(parsed, "a-b"));
    expect(kubernetes.occupies?.(parsed, "a")).not.toEqual(kubernetes.occupies?.(parsed, "b"));
  });
});
