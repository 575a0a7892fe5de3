// Two thousand members of a waved replacement wait in a real database.
import { expect, it } from "vitest";
import { Secret } from "../../../src/domain/secret.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { draftReplacement, startReplacement } from "../../../src/renewal/plan/replacement.ts";
import { wakePlanner } from "../../../src/renewal/steps/hold.ts";
import { version } from "../../support/model/facts.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** Certificates of 90 days that are live, issued yesterday. */
async function open(names: readonly string[]): Promise<Workbench> {
  const bench = await Workbench.open(names.map((name) => modelCertificate(name, { endpoints: [] })));
  await configure(bench.context, NO_SIGNAL);
  const [notBefore, notAfter] = [bench.now - DAY_MS, bench.now + 89 * DAY_MS];
  await bench.store.transaction(async (tx) => {
    for (const [index, name] of names.entries()) {
      const serial = (index + 1).toString(16).padStart(8, "0");
      const identifiers = [{ type: "dns" as const, value: `${name}.example.org` }];
      const leaf = { ...version().leaf, serial, fingerprint: serial.repeat(8), identifiers, notBefore, notAfter };
      await tx.versions.insert(version({ certificate: name, leaf, verifiedAt: notBefore }), new Secret("key"));
      await tx.deployments.want(name, ["a", "b"], 1);
      for (const target of ["a", "b"]) await tx.deployments.update(name, target, 0, { deployedGeneration: 1 });
      await tx.certificates.update(name, { expiryWarningAt: notAfter - 4 * DAY_MS, nextCheckAt: bench.now + DAY_MS });
    }
  });
  return bench;
}

async function replaceAll(bench: Workbench, waves: readonly number[]): Promise<void> {
  const request = {
    selection: { issuer: "ca" },
    described: "--issuer ca",
    issuer: null,
    deadline: bench.now + DAY_MS,
    waves,
  };
  await startReplacement(bench.context, request, await draftReplacement(bench.context, request));
}

it("a revoked certificate is planned first, whatever waits", async () => {
  const members = Array.from({ length: 2_000 }, (_, index) => `member-${String(index).padStart(4, "0")}`);
  await using bench = await open([...members, "z-expiring", "z-revoked"]);
  await replaceAll(bench, [500, 500, 500]);
  // All of them are due, for whatever reason, and the revoked one has been due for the shortest time.
  bench.sql(`update certificates set next_check_at = ${bench.now}`);
  bench.now += MINUTE_MS;
  bench.sql(`update certificates set expiry_warning_at = ${bench.now} where name = 'z-expiring'`);
  await bench.store.versions.markRevoked("z-revoked", 1, bench.now);
  await wakePlanner(bench.store, "z-revoked", bench.now);

  const due = await bench.store.certificates.due(bench.now, 3);
  expect(due.map(({ name }) => name)).toEqual(["z-revoked", "z-expiring", "member-0000"]);
  const clock = { ...bench.context.clock, monotonic: () => performance.now() };
  const [first] = await planDue({ ...bench.context, clock }, NO_SIGNAL);
  expect(first).toMatchObject({ certificate: "z-revoked", reason: "revoked", priority: 1 });
}, 120_000);

it("stops at its time budget, and the next run goes on", async () => {
  await using bench = await open(Array.from({ length: 20 }, (_, index) => `c-${index}`));
  bench.sql(`update certificates set next_check_at = ${bench.now}, digest = 'another'`);
  // Each certificate takes a second, as the clock is read once for each.
  const start = bench.now;
  let reads = 0;
  const clock = { ...bench.context.clock, monotonic: () => start + 1_000 * reads++ };
  const context = { ...bench.context, clock };
  await planDue(context, NO_SIGNAL);
  const left = await bench.store.certificates.due(bench.now, 100);
  expect(left.length).toBeGreaterThan(10);
  await planDue(context, NO_SIGNAL);
  expect((await bench.store.certificates.due(bench.now, 100)).length).toBeLessThan(left.length);
});

it("a wave's members wait without being asked, and are woken by the last proof of the wave before", async () => {
  await using bench = await open(["a", "b", "c", "d"]);
  await replaceAll(bench, [2, 1]);
  // More than a page is due.
  const settings = { ...bench.context.settings, batch: 1 };
  expect((await planDue({ ...bench.context, settings }, NO_SIGNAL)).map(({ certificate }) => certificate)).toEqual([
    "a",
    "b",
  ]);
  const nextChecks = async (): Promise<(number | null)[]> =>
    Promise.all(["c", "d"].map(async (name) => (await bench.store.certificates.get(name))?.nextCheckAt ?? null));
  const untouched = await nextChecks();
  await bench.work("deploy");
  expect(await nextChecks()).toEqual(untouched);
  await bench.work();
  expect(await nextChecks()).toEqual([bench.now, untouched[1]]);
  expect((await planDue(bench.context, NO_SIGNAL)).map(({ certificate }) => certificate)).toEqual(["c"]);
  // The one that is waited for leaves the configuration instead of being proved.
  bench.certificates = bench.certificates.filter(({ name }) => name !== "c");
  await configure(bench.context, NO_SIGNAL);
  expect((await planDue(bench.context, NO_SIGNAL)).map(({ certificate }) => certificate)).toEqual(["d"]);
});
