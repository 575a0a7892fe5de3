// Predicted to the minute on fakes with known ends.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { cloudflare } from "../../src/deployers/cloudflare/cloudflare.ts";
import { kubernetes } from "../../src/deployers/kubernetes/kubernetes.ts";
import { vault } from "../../src/deployers/vault/vault.ts";
import { certificateEnds, certificateFileEnds } from "../../src/horizon/certificateFile.ts";
import { registrationEnd } from "../../src/horizon/registration.ts";
import { createRoot } from "../support/ca/pki.ts";
import { startCloudflareFake } from "../support/fakes/cloudflare.ts";
import { startRdapFake } from "../support/fakes/rdap.ts";
import { startVaultFake } from "../support/fakes/vault.ts";
import { dependencies } from "../support/pairs/targetSecrets.ts";

const SIGNAL = new AbortController().signal;

test("the registration of a domain, from the registry that the bootstrap file names for it", async () => {
  const fake = await startRdapFake();
  onTestFinished(() => fake.stop());
  fake.domains.set("example.org", { registered: "1995-08-31T04:00:00Z", expires: "2027-08-30T04:00:00.0Z" });
  expect(await registrationEnd(fake.bootstrap, "example.org", SIGNAL)).toMatchObject({
    what: "registration",
    ends: Date.UTC(2027, 7, 30, 4),
    begins: Date.UTC(1995, 7, 31, 4),
  });
  fake.domains.set("example.net", { registered: "2020-01-01T00:00:00Z", expires: null });
  await expect(registrationEnd(fake.bootstrap, "example.net", SIGNAL)).rejects.toThrow("does not say when");
  await expect(registrationEnd(fake.bootstrap, "none.net", SIGNAL)).rejects.toThrow("answered 404");
  await expect(registrationEnd(fake.bootstrap, "example.com", SIGNAL)).rejects.toThrow("names no RDAP service");
  const redemption = { registered: "2020-01-01T00:00:00Z", expires: "2026-01-01T00:00:00Z" };
  fake.domains.set("lost.net", { ...redemption, status: ["redemption period", "active"] });
  expect((await registrationEnd(fake.bootstrap, "lost.net", SIGNAL)).note).toContain("redemption period");
  fake.disturb("GET /rdap/", { status: 200, body: "<html>" }, { status: 200, body: { objectClassName: "entity" } });
  await expect(registrationEnd(fake.bootstrap, "lost.net", SIGNAL)).rejects.toThrow("answered no JSON");
  await expect(registrationEnd(fake.bootstrap, "lost.net", SIGNAL)).rejects.toThrow("no such document");
});

test.each([
  ["made an hour ago", { created: 1_700_000_000, expires: 1_700_086_400 }, 1_700_000_000_000, 1_700_086_400_000],
  // Else a token that an agent renews every hour would always be near the end of a life of months.
  [
    "renewed since",
    { created: 1_600_000_000, renewed: 1_700_000_000, expires: 1_700_003_600 },
    1_700_000_000_000,
    1_700_003_600_000,
  ],
  ["that never ends", { created: 1_600_000_000, expires: null }, 1_600_000_000_000, null],
])("a token of Vault %s", async (_, times, begins, ends) => {
  const fake = await startVaultFake({ times });
  onTestFinished(() => fake.stop());
  const options = vault.options.parse({ address: fake.origin, auth: { token: "env:VAULT_TOKEN" } });
  const deployer = vault.create(options, dependencies("vault", { VAULT_TOKEN: fake.token }));
  expect(await deployer.credentials?.(SIGNAL)).toEqual([{ what: "token", note: null, begins, ends }]);
});

test.each([
  [
    "with an end",
    { expiration: "2027-03-01T10:20:30.123456789Z", uses: 0 },
    Date.UTC(2027, 2, 1, 10, 20, 30, 123),
    null,
  ],
  ["without end", { expiration: "0001-01-01T00:00:00Z", uses: 0 }, null, null],
  ["that is used up by logins", { expiration: "0001-01-01T00:00:00Z", uses: 7 }, null, /^7 logins left/],
])("a secret ID of Vault's AppRole %s", async (_, told, ends, note) => {
  const creation = "2026-03-01T10:20:30Z";
  await using stack = new AsyncDisposableStack();
  const look = await appRole(stack, { creation, ...told });
  const begins = Date.UTC(2026, 2, 1, 10, 20, 30);
  const shown = note === null ? null : expect.stringMatching(note);
  expect(await look()).toEqual([{ what: "secret ID", ends, begins, note: shown }]);
});

test("a secret ID that Vault does not tell of, and one that it knows no longer", async () => {
  await using stack = new AsyncDisposableStack();
  expect(await (await appRole(stack))()).toMatchObject([{ ends: null, note: expect.stringContaining("policy needs") }]);
  const gone = await appRole(stack, { creation: "", expiration: "", uses: -1 });
  await expect(gone()).rejects.toThrow("renewd-edge knows the secret ID no longer");
});

async function appRole(stack: AsyncDisposableStack, lookup?: { creation: string; expiration: string; uses: number }) {
  const role = { roleId: "role-1", secretId: "secret-0123456789" };
  const fake = await startVaultFake({ appRole: { ...role, ...(lookup !== undefined && { lookup }) } });
  stack.defer(() => fake.stop());
  const auth = { appRole: { roleId: role.roleId, secretId: "env:SECRET_ID" } };
  const options = vault.options.parse({ address: fake.origin, auth });
  const deployer = vault.create(options, dependencies("vault", { SECRET_ID: role.secretId }));
  return async () => {
    const found = await deployer.credentials?.(SIGNAL);
    expect(fake.openTokens.size, "its own token is ended").toBe(0);
    return found;
  };
}

test("the client certificate and the token of a kubeconfig", async () => {
  const [root, directory] = [await createRoot(), await mkdtemp(join(tmpdir(), "renewd-kubeconfig-"))];
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const { certPem } = await root.issue({ names: ["renewd"], notAfter: new Date(Date.UTC(2027, 5, 1, 12, 30)) });
  const claims = { iss: "kubernetes/serviceaccount", iat: 1_700_000_000, exp: 1_800_000_000 };
  const jwt = ["e30", Buffer.from(JSON.stringify(claims)).toString("base64url"), "c2ln"].join(".");
  const users = [
    ["certificate", { "client-certificate-data": Buffer.from(certPem).toString("base64") }],
    ["token", { token: jwt }],
    ["opaque", { token: "abcdef" }],
    ["program", { exec: { command: "aws", apiVersion: "client.authentication.k8s.io/v1" } }],
  ] as const;
  const kubeconfig = join(directory, "config");
  const text = {
    ...{ apiVersion: "v1", kind: "Config", clusters: [{ name: "c", cluster: { server: "https://192.0.2.1" } }] },
    users: users.map(([name, user]) => ({ name, user })),
    contexts: users.map(([name]) => ({ name, context: { cluster: "c", user: name } })),
  };
  await writeFile(kubeconfig, JSON.stringify(text));
  const look = (context: string) => {
    const options = kubernetes.options.parse({ kubeconfig, context, namespace: "web" });
    return kubernetes.create(options, dependencies("cluster", {})).credentials?.(SIGNAL);
  };
  const note = "of the kubeconfig";
  const ends = Date.UTC(2027, 5, 1, 12, 30);
  expect(await look("certificate")).toMatchObject([{ what: "client certificate", ends, note }]);
  expect(await look("token")).toEqual([{ what: "token", ends: 1.8e12, begins: 1.7e12, note }]);
  expect(await look("opaque")).toEqual([{ what: "token", ends: null, begins: null, note }]);
  expect(await look("program")).toEqual([]);
});

test("a token of Cloudflare", async () => {
  const fake = await startCloudflareFake();
  onTestFinished(() => fake.stop());
  const options = cloudflare.options.parse({ endpoint: fake.endpoint, zone: fake.zone, token: "env:CF" });
  const deployer = cloudflare.create(options, dependencies("edge", { CF: fake.token }));
  const about = { what: "API token", begins: null, note: "Cloudflare says: active" };
  expect(await deployer.credentials?.(SIGNAL)).toEqual([{ ...about, ends: null }]);
  fake.tokenExpires = "2027-01-01T12:30:00Z";
  expect(await deployer.credentials?.(SIGNAL)).toEqual([{ ...about, ends: Date.UTC(2027, 0, 1, 12, 30) }]);
});

test("certificates of a file, each by its name", async () => {
  const root = await createRoot();
  const [end] = certificateEnds(root.certPem, "web.tls");
  expect(end).toMatchObject({ what: expect.stringContaining("certificate "), note: "web.tls" });
  expect(end?.ends).toBeGreaterThan(Date.now());
  expect(() => certificateEnds("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "x")).toThrow(
    "no certificate",
  );
  await expect(certificateFileEnds("/nonexistent/ca.pem")).rejects.toThrow("cannot read /nonexistent/ca.pem (ENOENT)");
});
