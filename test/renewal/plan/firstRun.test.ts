import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readForeignPair } from "../../../src/compose/foreignPair.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { importPair } from "../../../src/renewal/operator/importPair.ts";
import { resumeCertificate } from "../../../src/renewal/operator/retry.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import {
  findPairsInUse,
  holdPairsInUse,
  isFirstRun,
  surveyFirstRun,
  undecided,
} from "../../../src/renewal/plan/firstRun.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { requestRenewal } from "../../../src/renewal/plan/request.ts";
import { certificatesReport } from "../../../src/reports/certificates.ts";
import { planReport } from "../../../src/reports/plan.ts";
import { createProbe } from "../../../src/tls/probe.ts";
import { createRoot, type IssuedPair } from "../../support/ca/pki.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";
import { type SwappableTls, startSwappableTls } from "../../support/servers/swappableTls.ts";

let pair: IssuedPair;
let server: SwappableTls;
let bench: Workbench;
let context: Context;

beforeEach(async () => {
  pair = await (await createRoot()).issue({ names: ["www.example.org"] });
  server = await startSwappableTls();
  server.serve([pair]);
  const at = (port: number) => [{ host: "127.0.0.1", port, sni: "www.example.org", target: null }];
  bench = await Workbench.open([
    modelCertificate("www", { endpoints: at(server.port) }),
    // Another name than the server's, and an address where nobody answers.
    modelCertificate("other", {
      identifiers: [{ type: "dns", value: "other.example.org" }],
      endpoints: at(server.port),
    }),
    modelCertificate("dead", { endpoints: at(1) }),
  ]);
  bench.now = Date.now();
  context = { ...bench.context, probe: createProbe({ timeoutMs: 5_000, now: () => bench.now }) };
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

async function planned(): Promise<string[]> {
  return (await planDue(context, NO_SIGNAL)).map(({ certificate }) => certificate).sort();
}

describe("the first run over an estate that other tooling serves", () => {
  test("finds which certificates are in use, and changes nothing by that", async () => {
    expect(await isFirstRun(context)).toBe(true);
    expect((await findPairsInUse(context, NO_SIGNAL)).pairs).toMatchObject([
      { certificate: "www", endpoint: `127.0.0.1:${server.port}` },
    ]);
    expect(await isFirstRun(context)).toBe(true);
  });

  test("orders what nobody serves, and holds the rest until a person decides", async () => {
    const inUse = (await findPairsInUse(context, NO_SIGNAL)).pairs;
    await holdPairsInUse(context, inUse, NO_SIGNAL);
    expect(await planned()).toEqual(["dead", "other"]);
    expect((await bench.store.certificates.get("www"))?.pausedReason).toMatch(
      /^first run: 127\.0\.0\.1:\d+ serves another certificate until 20[^:]*:\d\d:\d\dZ$/,
    );
    const { certificates } = await certificatesReport(bench.store, bench.certificates, bench.now);
    const held = certificates.find(({ certificate }) => certificate === "www");
    expect(Date.parse(held?.clientsUntil ?? ""), "what clients get is shown").toBe(inUse[0]?.notAfter);
    await resumeCertificate(context, { of: "www", why: null, by: null });
    expect(await planned()).toEqual(["www"]);
  });

  test("lets go of a held certificate when its pair is imported: nothing is ordered", async () => {
    await holdPairsInUse(context, (await findPairsInUse(context, NO_SIGNAL)).pairs, NO_SIGNAL);
    await importPair(
      context,
      bench.certificates[0] ?? expect.unreachable(),
      readForeignPair(pair.certPem, pair.keyPem),
    );
    expect(await bench.store.certificates.get("www")).toMatchObject({ pausedAt: null, pausedReason: null });
    expect(await planned()).toEqual(["dead", "other"]);
  });

  test("is still the first run after an import, or an end before anything was held: the rest is held then", async () => {
    await configure(context, NO_SIGNAL);
    const [, other = expect.unreachable()] = bench.certificates;
    const { certPem, keyPem } = await (await createRoot()).issue({ names: ["other.example.org"] });
    await importPair(context, other, readForeignPair(certPem, keyPem));
    expect(await isFirstRun(context)).toBe(true);
    const open = await undecided(context, (await findPairsInUse(context, NO_SIGNAL)).pairs);
    expect(open.map(({ certificate }) => certificate)).toEqual(["www"]);
  });

  test("does not hold again what a person has resumed, or what is being renewed", async () => {
    await holdPairsInUse(context, (await findPairsInUse(context, NO_SIGNAL)).pairs, NO_SIGNAL);
    const inUse = (await findPairsInUse(context, NO_SIGNAL)).pairs;
    expect((await undecided(context, inUse)).length).toBe(1);
    await resumeCertificate(context, { of: "www", why: null, by: null });
    expect(await undecided(context, inUse)).toEqual([]);
    await planDue(context, NO_SIGNAL);
    expect(await undecided(context, inUse)).toEqual([]);
  });

  test("holds a certificate that adds a name to those that clients get, at any address of the endpoint", async () => {
    bench.certificates = bench.certificates.slice(0, 1).map((each) => ({
      ...each,
      identifiers: [...each.identifiers, { type: "dns", value: "new.example.org" }],
    }));
    const { probe } = context;
    // The first address is one to which there is no way from here.
    const addresses = async () => ["127.0.0.2", "127.0.0.1"];
    const { pairs } = await findPairsInUse({ ...context, probe: { ...probe, addresses } }, NO_SIGNAL);
    expect(pairs.map(({ certificate }) => certificate)).toEqual(["www"]);
  });

  test("does not count a certificate that has expired, or that renewd itself knows", async () => {
    const [www = expect.unreachable()] = bench.certificates;
    bench.now += 400 * 86_400_000;
    expect((await findPairsInUse(context, NO_SIGNAL)).pairs).toEqual([]);
    bench.now = Date.now();
    await importPair(context, www, readForeignPair(pair.certPem, pair.keyPem));
    expect((await findPairsInUse(context, NO_SIGNAL)).pairs).toEqual([]);
  });
});

describe("the first run of a fleet that is too large to be asked", () => {
  const LIMITS = { wholeMax: 2, sample: 1, maxMs: 60_000 };
  const never = async () => expect.unreachable();

  test("asks a sample from everywhere, and says how many it did not ask", async () => {
    const { pairs, unasked } = await findPairsInUse(context, NO_SIGNAL, LIMITS);
    expect({ found: pairs.map(({ certificate }) => certificate), unasked }).toEqual({ found: ["www"], unasked: 2 });
    bench.certificates = Array.from({ length: 9 }, (_, index) =>
      modelCertificate(`c${index}`, { endpoints: [{ host: `c${index}`, port: 443, sni: `c${index}`, target: null }] }),
    );
    const asked: string[] = [];
    const addresses = async ({ host }: { readonly host: string }) => {
      asked.push(host);
      return [];
    };
    const looking = { ...context, probe: { ...context.probe, addresses } };
    expect(await findPairsInUse(looking, NO_SIGNAL, { ...LIMITS, wholeMax: 8, sample: 3 })).toEqual({
      pairs: [],
      unasked: 6,
    });
    expect(asked).toEqual(["c0", "c3", "c6"]);
  });

  test("does not take one for free that was being asked when the time was over", async () => {
    const addresses = (_: unknown, signal: AbortSignal) =>
      new Promise<never>((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    const looking = { ...context, probe: { ...context.probe, addresses } };
    const { pairs, unasked } = await findPairsInUse(looking, NO_SIGNAL, { ...LIMITS, wholeMax: 3, maxMs: 10 });
    expect({ pairs, unasked }).toEqual({ pairs: [], unasked: 3 });
  });

  test("is a person's decision: without it nothing is ordered, held or replaced", async () => {
    const asked: number[] = [];
    const answer = (yes: boolean) =>
      surveyFirstRun(
        context,
        async ({ pairs, unasked }) => {
          asked.push(pairs.length, unasked);
          return yes;
        },
        NO_SIGNAL,
        LIMITS,
      );
    await expect(answer(false)).rejects.toMatchObject({
      code: "request.invalid",
      message: expect.stringMatching(
        /^first run: endpoints serve other certificates for 1 of those that were asked, and 2 were not asked/,
      ),
    });
    expect(await bench.store.certificates.list()).toEqual([]);
    await answer(true);
    expect(asked).toEqual([1, 2, 1, 2]);
  });

  test("holds what a smaller one has in use, and asks nobody where nothing is", async () => {
    await surveyFirstRun(context, async () => false, NO_SIGNAL);
    expect((await bench.store.certificates.get("www"))?.pausedAt).toBe(bench.now);
    bench.certificates = bench.certificates.filter(({ name }) => name !== "www");
    await surveyFirstRun(context, never, NO_SIGNAL);
  });
});

describe("a certificate with `mode: observe`", () => {
  beforeEach(async () => {
    bench.certificates = bench.certificates.map((each) => ({ ...each, mode: "observe" as const }));
    await configure(context, NO_SIGNAL);
  });

  test("is never ordered, not even when it is missing everywhere", async () => {
    expect(await planned()).toEqual([]);
    expect((await findPairsInUse(context, NO_SIGNAL)).pairs).toEqual([]);
  });

  test("says in the plan how its pair in use is taken over", async () => {
    const { certificates } = await planReport(bench.store, bench.certificates, bench.now);
    expect(certificates.find(({ certificate }) => certificate === "www")).toMatchObject({
      heldBy: "observed",
      detail: expect.stringMatching(
        /^observed only: `renewd import www --certificate FILE --key FILE` takes over the pair in use, and then set `mode:/,
      ),
    });
  });

  test("refuses a request with the line to change", async () => {
    await expect(
      requestRenewal(context, { certificate: "www", force: true, reason: null, requestedBy: null }),
    ).rejects.toThrow('"www" has `mode: observe`: set `mode: renew` in the configuration and reload first');
  });

  test("is ordered once the configuration says renew", async () => {
    bench.certificates = bench.certificates.map((each) => ({ ...each, mode: "renew" as const, digest: "digest-2" }));
    await configure(context, NO_SIGNAL);
    expect(await planned()).toEqual(["dead", "other", "www"]);
  });
});
