// The real Pebble 2.10 follows drafts -00 and -01. For -02 a step in front of it enforces what the draft adds: it looks
// for the hashed record itself, and only then lets Pebble validate by a record of the earlier form.
import { createHash, createPublicKey } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createIssuer } from "../../src/acme/issuer.ts";
import { persistReportOf } from "../../src/compose/persist.ts";
import { loadConfigOrExplain, readerToLook } from "../../src/compose/reader.ts";
import type { PersistReport } from "../../src/reports/persist.ts";
import { dnsPersist01 } from "../../src/solvers/dnsPersist01.ts";
import { type AcmeProxy, startAcmeProxy } from "../support/ca/acmeProxy.ts";
import { type Pebble, startPebble } from "../support/ca/pebble.ts";
import { named } from "../support/dns/dependencies.ts";
import { type NameServer, startNameServer } from "../support/dns/nameServer.ts";
import { memoryAccounts, memoryProgress } from "../support/model/orderMemory.ts";
import { issuerOptions, request } from "./caFixture.ts";

const ZONE = "persist.example";
const CA = "pebble.letsencrypt.org";
const PREFIX = "https://ca.example/account-hash/";
let dns: NameServer;
let pebble: Pebble;
let proxy: AcmeProxy;
beforeAll(async () => {
  dns = await startNameServer([ZONE]);
  dns.records.push(
    { name: ZONE, type: "NS", data: `ns.${ZONE}` },
    { name: `ns.${ZONE}`, type: "A", data: "127.0.0.1" },
  );
  pebble = await startPebble({
    ...{ version: "2.10", dnsServer: `127.0.0.1:${dns.port}` },
    env: { PEBBLE_WFE_NONCEREJECT: "0", PEBBLE_AUTHZREUSE: "0" },
  });
  proxy = await startAcmeProxy(pebble);
});
afterAll(async () => {
  await Promise.all([proxy?.close(), pebble?.stop()]);
  await dns?.[Symbol.asyncDispose]();
});

const signal = (): AbortSignal => AbortSignal.timeout(20_000);
const publish = ({ name, value }: { readonly name: string; readonly value: string }): void => {
  dns.records = [...dns.records.filter((each) => each.name !== name), { name, type: "TXT", data: value }];
};

/** An issuer with its solver, and what `renewd challenges persist` prints for its account. */
async function estate(names: readonly string[]) {
  const directory = await mkdtemp(join(tmpdir(), "renewd-persist-"));
  await writeFile(join(directory, "ca.pem"), proxy.trustPem);
  const file = join(directory, "renewd.yaml");
  await writeFile(
    file,
    `version: 1
issuers: { ca: { directory: "${proxy.directory}", trust: ca.pem, contact: [a@example.org], termsOfServiceAgreed: true } }
solvers: { standing: { type: dns-persist-01, experimental: true, resolvers: ["127.0.0.1:${dns.port}"] } }
targets: { files: { type: files, directory: ${directory}, bundle: "{certificate}.pem", served: false } }
certificates:
  site: { issuer: ca, solver: standing, targets: [files], names: ${JSON.stringify(names)}, endpoints: [] }
`,
  );
  const reader = { ...(await readerToLook(await loadConfigOrExplain(file))) };
  const accounts = memoryAccounts();
  const options = { ...issuerOptions(proxy), name: "ca" };
  const issuer = createIssuer(options, { accounts, now: Date.now });
  const store = { ...reader.store, accounts };
  const services = { ...reader.services, issuer: () => issuer };
  const solver = dnsPersist01.create(
    { experimental: true, resolvers: [{ kind: "dns", address: "127.0.0.1", port: dns.port }] },
    { now: Date.now, dnsPort: dns.port },
  );
  const solvers = () => [named(solver, [], "standing")];
  return {
    accounts,
    order: () => issuer.issue(request(names), memoryProgress(), [named(solver)], signal()),
    report: (): Promise<PersistReport> =>
      persistReportOf(
        { ...reader, store, services: { ...services, solvers } },
        { subject: "site", issuer: null, until: null, register: true },
        signal(),
      ),
    async [Symbol.asyncDispose]() {
      await reader.close();
      await rm(directory, { recursive: true });
    },
  };
}

describe("dns-persist-01", () => {
  it("with the drafts that CAs follow: the printed records issue, and what is missing costs no validation", async () => {
    const names = [ZONE, `*.${ZONE}`, `www.${ZONE}`];
    await using site = await estate(names);
    const missing = await site.report();
    expect(missing.records.map(({ name, state }) => [name, state])).toEqual([
      [`_validation-persist.${ZONE}`, "missing"],
      [`_validation-persist.www.${ZONE}`, "missing"],
    ]);
    proxy.intercept = null;
    const before = proxy.requests.length;
    await expect(site.order()).rejects.toMatchObject({ code: "dns.persist" });
    const validations = proxy.requests
      .slice(before)
      .filter(({ payload }) => payload !== null && JSON.stringify(payload) === "{}");
    expect(validations).toEqual([]);
    for (const record of missing.records) publish(record);
    expect((await site.report()).records.map(({ state }) => state)).toEqual(["right", "right"]);
    const { leaf } = await site.order();
    expect(leaf.identifiers.map(({ value }) => value).toSorted()).toEqual(names.toSorted());
  }, 30_000);

  it("with draft -02: the hashed record issues, and its directory says all that is needed", async () => {
    const names = [`*.next.${ZONE}`];
    await using site = await estate(names);
    let looked = 0;
    const hashed = (): string => {
      const [{ url = null, privateKey } = { privateKey: null }] = site.accounts.stored.values();
      const { crv, kty, x, y } = createPublicKey(privateKey?.reveal() ?? "").export({ format: "jwk" });
      const key = createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
      const domain = `next.${ZONE}`;
      const input = [Buffer.from([domain.length]), Buffer.from(`${domain}${key}${url}`)];
      const hash = createHash("sha256").update(Buffer.concat(input)).digest("base64url");
      return `${CA}; accounturi=${PREFIX}sha-256/${hash}; policy=wildcard`;
    };
    proxy.intercept = async ({ path, payload }, forward) => {
      if (JSON.stringify(payload) === "{}") {
        const name = `_validation-persist.next.${ZONE}`;
        expect(dns.txt(name)).toEqual([hashed()]);
        looked += 1;
        const [account] = site.accounts.stored.values();
        publish({ name, value: `${CA}; accounturi=${account?.url}; policy=wildcard` });
      }
      const answer = await forward();
      const body = answer.body.startsWith("{") ? JSON.parse(answer.body) : null;
      if (path === "/dir") {
        const meta = { ...body.meta, issuerDomainNames: [CA], accountHashPrefix: PREFIX };
        return { ...answer, body: JSON.stringify({ ...body, meta }) };
      }
      if (!Array.isArray(body?.challenges)) return answer;
      const challenges = body.challenges
        .filter(({ type }: { type: string }) => type === "dns-persist-01")
        .map(({ "issuer-domain-names": issuerDomainNames, ...rest }: Record<string, unknown>) => ({
          ...rest,
          issuerDomainNames,
        }));
      return { ...answer, body: JSON.stringify({ ...body, challenges }) };
    };
    const [record] = (await site.report()).records;
    expect(record?.value).toBe(hashed());
    if (record !== undefined) publish(record);
    const { leaf } = await site.order();
    expect([leaf.identifiers.map(({ value }) => value), looked]).toEqual([names, 1]);
    proxy.intercept = null;
  }, 30_000);
});
