// Predicted to the minute on fakes with known ends.
import { expect, onTestFinished, test } from "vitest";
import { cloudflare } from "../../src/deployers/cloudflare/cloudflare.ts";
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
