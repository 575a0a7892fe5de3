// A CA is known by its directory; the name of an issuer in the configuration is a label. Through the real loader.
import { expect, it } from "vitest";
import { accountsByDirectory } from "../../../src/compose/issuerOptions.ts";
import type { CaBudget } from "../../../src/domain/budget.ts";
import type { Certificate } from "../../../src/domain/certificate.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { orderScope } from "../../../src/renewal/rules/order.ts";
import { renewal } from "../../support/model/facts.ts";
import { NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";
import { createInstallation } from "../../support/system/installation.ts";

const STAGING = "https://staging.ca.example/directory";
const PRODUCTION = "https://ca.example/directory";

async function load(issuers: Readonly<Record<string, string>>, use: string): Promise<readonly Certificate[]> {
  const text = JSON.stringify({
    version: 1,
    redis: { url: "redis://127.0.0.1:1" },
    issuers: Object.fromEntries(
      Object.entries(issuers).map(([name, directory]) => [name, { directory, termsOfServiceAgreed: true }]),
    ),
    solvers: { http: { type: "http-01" } },
    targets: { a: { type: "files", directory: "/srv/a", bundle: "{certificate}.pem" } },
    defaults: { issuer: use, solver: "http", targets: ["a"] },
    certificates: {
      www: { names: ["www.example.org"], endpoints: [{ host: "192.0.2.1", port: 443, sni: "www.example.org" }] },
    },
  });
  await using installation = await createInstallation(text, { planned: false });
  return installation.certificates.map((certificate) => ({ ...certificate, endpoints: [] }));
}

/** www is live, issued by the CA of this directory under this name, with an account there. */
async function open(name: string, directory: string): Promise<Workbench> {
  const bench = await Workbench.open(await load({ [name]: directory }, name));
  budgets(bench, { [name]: directory });
  await bench.begin();
  await bench.work();
  await bench.store.accounts.create(name, directory, new Secret("account-key"));
  await bench.store.accounts.setUrl(name, directory, "https://ca.example/acct/1");
  expect(await bench.store.versions.latest("www")).toMatchObject({ issuer: name, directory });
  return bench;
}

function budgets(bench: Workbench, issuers: Readonly<Record<string, string>>): void {
  const budget = (issuer: string): CaBudget => {
    return { issuer, directory: issuers[issuer] ?? "", limits: {}, renewalsExempt: false };
  };
  Object.assign(bench.context.services, { budget });
}

async function reload(bench: Workbench, issuers: Readonly<Record<string, string>>, use: string): Promise<void> {
  bench.now += 1_000;
  bench.certificates = await load(issuers, use);
  budgets(bench, issuers);
  await configure(bench.context, NO_SIGNAL);
  await planDue(bench.context, NO_SIGNAL);
  await bench.work();
}

it("another directory under the same name issues again: a staging certificate does not stay live", async () => {
  await using bench = await open("ca", STAGING);
  await reload(bench, { ca: PRODUCTION }, "ca");
  expect(await bench.renewal("www")).toMatchObject({ reason: "issuerChanged", state: "succeeded", generation: 2 });
  expect((await bench.renewal("www")).reasonDetail).toContain(STAGING);
  expect(await bench.store.versions.latest("www")).toMatchObject({ issuer: "ca", directory: PRODUCTION });
  await reload(bench, { ca: PRODUCTION }, "ca");
  expect(await bench.renewal("www")).toMatchObject({ generation: 2 });
});

it("another name for the same directory issues nothing; version and account follow it", async () => {
  await using bench = await open("ca", PRODUCTION);
  await reload(bench, { letsencrypt: PRODUCTION }, "letsencrypt");
  expect(await bench.store.renewals.list({ limit: 10 })).toHaveLength(1);
  expect(await bench.store.versions.latest("www")).toMatchObject({ issuer: "letsencrypt", directory: PRODUCTION });
  const account = await bench.store.accounts.get("letsencrypt", PRODUCTION);
  expect(account?.url).toBe("https://ca.example/acct/1");
  expect(account?.privateKey.reveal()).toBe("account-key");
  expect(await bench.store.accounts.get("ca", PRODUCTION)).toBeNull();
});

it("another account at the same directory is not taken from the issuer that still has it", async () => {
  await using bench = await open("ca", PRODUCTION);
  const both = await load({ ca: PRODUCTION }, "ca");
  bench.certificates = [
    ...both,
    ...(await load({ second: PRODUCTION }, "second")).map((each) => ({ ...each, name: "api", digest: "api" })),
  ];
  await configure(bench.context, NO_SIGNAL);
  expect((await bench.store.accounts.get("ca", PRODUCTION))?.url).toBe("https://ca.example/acct/1");
  expect(await bench.store.accounts.get("second", PRODUCTION)).toBeNull();
});

it("versions of an earlier release get the directory of their issuer at the next start, and are compared from then on", async () => {
  await using bench = await open("ca", STAGING);
  await bench.store.versions.setOrigin("www", 1, { issuer: "ca", directory: null });
  await reload(bench, { ca: STAGING }, "ca");
  expect(await bench.store.versions.latest("www")).toMatchObject({ generation: 1, directory: STAGING });
  await reload(bench, { ca: PRODUCTION }, "ca");
  expect(await bench.renewal("www")).toMatchObject({ reason: "issuerChanged", generation: 2 });
});

it("a version without a directory is compared by name, as before", async () => {
  await using bench = await open("ca", STAGING);
  await bench.store.versions.setOrigin("www", 1, { issuer: "gone", directory: null });
  await reload(bench, { ca: STAGING }, "ca");
  expect(await bench.renewal("www")).toMatchObject({ reason: "issuerChanged", generation: 2 });
});

it("another name takes along what the account has used of its limits, renewals in flight and replacements", async () => {
  await using bench = await open("ca", PRODUCTION);
  const { store } = bench;
  const bucket = { kind: "ordersPerAccount", key: "", fullAt: bench.now + 9 } as const;
  await store.ledger.write([{ ...bucket, scope: `ca ${PRODUCTION}` }]);
  await store.ledger.reserve("r", [{ kind: "ordersPerAccount", key: "", tokenMs: 5, scope: `ca ${PRODUCTION}` }]);
  await store.renewals.insert(renewal({ id: "r", certificate: "other", generation: 2, issuer: "ca" }));
  const asked = {
    id: "p",
    selection: "all",
    issuer: "ca",
    deadline: bench.now + 1,
    createdAt: bench.now,
    endedAt: null,
  };
  await store.replacements.create(asked, [{ replacement: "p", certificate: "www", generation: 0, wave: 0 }]);
  await reload(bench, { letsencrypt: PRODUCTION }, "letsencrypt");
  expect(await store.ledger.list(0)).toEqual([{ ...bucket, scope: `letsencrypt ${PRODUCTION}` }]);
  expect(await store.ledger.reserved("r")).toMatchObject([{ scope: `letsencrypt ${PRODUCTION}`, tokenMs: 5 }]);
  expect(await store.renewals.claim("r", bench.now + 60_000, 9_000)).toMatchObject({ issuer: "letsencrypt" });
  expect(await store.replacements.of("www")).toMatchObject({ issuer: "letsencrypt" });
});

it("a worker that orders before a planner has applied the new name registers no second account", async () => {
  await using bench = await open("ca", PRODUCTION);
  const accounts = accountsByDirectory(bench.store.accounts, ["letsencrypt"]);
  expect((await accounts.get("letsencrypt", PRODUCTION))?.url).toBe("https://ca.example/acct/1");
  expect(await accounts.get("letsencrypt", STAGING)).toBeNull();
  expect(await bench.store.accounts.get("ca", PRODUCTION)).toBeNull();
});

it("two names of one directory never have two orders for the same names open", () => {
  const names = [{ type: "dns" as const, value: "www.example.org" }];
  const scope = (issuer: string, directory: string) => orderScope({ issuer, directory }, names);
  expect(scope("ca", PRODUCTION)).toBe(scope("letsencrypt", PRODUCTION));
  expect(scope("ca", PRODUCTION)).not.toBe(scope("ca", STAGING));
});
