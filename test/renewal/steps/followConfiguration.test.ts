// A reload while a renewal has yet to issue.
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Certificate } from "../../../src/domain/certificate.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { Renewal } from "../../../src/domain/renewal.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

const HOUR_MS = 3_600_000;

let bench: Workbench;
let failing: RenewalError | null;
beforeEach(async () => {
  bench = await Workbench.open([modelCertificate("www", { targetDigests: { a: "a", b: "b" } })]);
  const { services } = bench.context;
  const { issuer } = services;
  failing = null;
  Object.assign(services, {
    issuer: (name: string) => ({
      ...issuer(name),
      issue: async (...request: Parameters<ReturnType<typeof issuer>["issue"]>) => {
        if (failing !== null) throw failing;
        return issuer(name).issue(...request);
      },
    }),
  });
});
afterEach(() => bench[Symbol.asyncDispose]());

async function reload(patch: Partial<Certificate>): Promise<void> {
  bench.certificates = bench.certificates.map((certificate) => ({ ...certificate, ...patch }));
  await configure(bench.context, NO_SIGNAL);
  await planDue(bench.context, NO_SIGNAL);
}

/** The first order has failed, and the renewal waits. */
async function waiting(error: RenewalError): Promise<Renewal> {
  failing = error;
  await bench.begin();
  await bench.work();
  failing = null;
  const renewal = await bench.renewal("www");
  expect(renewal).toMatchObject({ state: "issuing", errorCode: error.code });
  expect(renewal.retryAt).toBeGreaterThan(bench.now);
  return renewal;
}

it("a change that leaves the certificate as it is lets the renewal in flight go on, now", async () => {
  const { id } = await waiting(new RenewalError("acme.server", "CA answered 500"));
  await reload({ digest: "contact changed" });
  await bench.work();
  expect(await bench.renewal("www")).toMatchObject({ id, state: "succeeded", generation: 1 });
  expect(await bench.store.renewals.list({ limit: 9 })).toHaveLength(1);
});

it("a CA that asked to wait is still waited for", async () => {
  const retryAt = bench.now + HOUR_MS / 2;
  const before = await waiting(new RenewalError("acme.rateLimited", "too many", { retryAt }));
  await reload({ digest: "contact changed" });
  await bench.work();
  expect(await bench.renewal("www")).toMatchObject({ id: before.id, state: "issuing", retryAt: before.retryAt });
});

it.each<[string, Partial<Certificate>]>([
  ["another certificate is wanted", { digest: "names changed", issueDigest: "other" }],
  ["nobody is left to order from", { digest: "distrusted", allDistrusted: true }],
])("a renewal in flight ends when %s", async (_, change) => {
  const { id } = await waiting(new RenewalError("acme.server", "CA answered 500"));
  await reload(change);
  expect(await bench.store.renewals.get(id)).toMatchObject({ state: "cancelled" });
});

it("a renewal whose fallback issuer left the configuration begins again", async () => {
  const { id, fence } = await waiting(new RenewalError("acme.server", "CA answered 500"));
  await bench.store.renewals.update(id, fence, { issuer: "gone" });
  await reload({ digest: "changed" });
  expect(await bench.store.renewals.get(id)).toMatchObject({ state: "cancelled" });
});

it("nothing is ordered while every issuer is distrusted; people are paged, and the next reload ends it", async () => {
  await bench.begin();
  await bench.work();
  await reload({ digest: "distrusted", allDistrusted: true });
  const [event] = await bench.store.events.list({ types: ["certificate.noIssuer"], limit: 9 });
  expect(event).toMatchObject({ certificate: "www", detail: { issuers: ["ca"] } });
  bench.now += 80 * 24 * HOUR_MS;
  await bench.store.certificates.update("www", { nextCheckAt: bench.now });
  await planDue(bench.context, NO_SIGNAL);
  expect((await bench.store.renewals.list({ limit: 9 })).map(({ reason }) => reason)).toEqual(["missing"]);
  expect((await bench.store.certificates.get("www"))?.nextCheckAt).toBe(bench.now + HOUR_MS);
  await reload({ digest: "another issuer", allDistrusted: false });
  await bench.work();
  expect(await bench.renewal("www")).toMatchObject({ state: "succeeded", generation: 2 });
});
