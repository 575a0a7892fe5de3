import { expect, test } from "vitest";
import { systemClock } from "../../src/compose/clock.ts";
import { horizonSources } from "../../src/compose/horizonSources.ts";
import type { Deployer } from "../../src/domain/deployer.ts";
import type { Solver } from "../../src/domain/issuer.ts";
import { configFile, estate } from "../config/configFile.ts";
import { createRoot } from "../support/ca/pki.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../support/model/workbench.ts";

const TENANT = "11111111-2222-3333-4444-555555555555";
const CLIENT = "99999999-2222-3333-4444-555555555555";

test("the database's client certificate and CA, and each Azure client secret once, are on the horizon", async () => {
  const azure = `{ tenantId: ${TENANT}, clientId: ${CLIENT}, clientSecret: "env:AZURE" }`;
  await using file = await configFile(
    estate(
      undefined,
      'store: { type: postgresql, url: "env:DATABASE" }\nresponsibility: [{ targets: [one], owner: anna }]',
    )
      .replace(
        /^targets:$/m,
        `targets:
  one: { type: azure-key-vault, vault: "https://one.vault.azure.net", credential: ${azure} }
  two: { type: azure-key-vault, vault: "https://two.vault.azure.net", credential: ${azure} }`,
      )
      .replace(
        /^solvers:$/m,
        `solvers:
  own: { type: azure-dns, subscription: ${TENANT}, tenantId: ${TENANT}, clientId: ${CLIENT}, clientSecret: "env:OTHER" }
  chain: { type: azure-dns, subscription: ${TENANT} }`,
      ),
  );
  const root = await createRoot();
  const [ca, cert] = [await file.write("ca.pem", root.certPem), `${file.directory}/client.pem`];
  const url = `postgresql://renewd@db.example/renewd?sslmode=verify-full&sslcert=${cert}&sslrootcert=${ca}`;
  const config = await file.config({ DATABASE: url, AZURE: "a", OTHER: "b" });
  await using bench = await Workbench.open([modelCertificate("www")]);
  const places = { config, store: bench.store, clock: systemClock };
  const sources = horizonSources({ ...places, deployer: () => NOTHING_TO_DEPLOY, solver: () => NOTHING_TO_SOLVE });
  const of = (subject: string) => sources.find((each) => each.subject === subject) ?? expect.unreachable(subject);
  expect(of("target one")).toMatchObject({ kind: "token", owner: "anna" });
  expect(of("solver own")).toMatchObject({ kind: "token" });
  const subjects = sources.map(({ subject }) => subject);
  expect(subjects).not.toContain("target two");
  expect(subjects).not.toContain("solver chain");
  expect(await of("store trust").look(NO_SIGNAL)).toMatchObject([{ note: ca, ends: expect.any(Number) }]);
  await expect(of("store client").look(NO_SIGNAL)).rejects.toThrow(`cannot read ${cert} (ENOENT)`);
});

const NOTHING_TO_DEPLOY: Deployer = { deploy: async () => ({}) };
const NOTHING_TO_SOLVE: Solver = { challengeType: "dns-01", present: async () => {}, cleanUp: async () => {} };
