import { expect, it } from "vitest";
import { openContext, withoutQueue } from "../../src/compose/index.ts";
import { createLog } from "../../src/log.ts";
import { configure } from "../../src/renewal/plan/configure.ts";
import { planDue } from "../../src/renewal/plan/plan.ts";
import { issue } from "../../src/renewal/steps/issue.ts";
import { planReport } from "../../src/reports/plan.ts";
import { startHttp01Responder } from "../../src/web/http01.ts";
import { startSystem } from "../support/system/system.ts";

const NO_SIGNAL = new AbortController().signal;

it("sends no order beyond a limit: the planner holds it, and a worker that comes too late waits without an attempt", {
  timeout: 60_000,
}, async () => {
  const certificate = (name: string) => ({
    names: [`${name}.example.org`],
    targets: ["web"],
    endpoints: [`${name}.example.org`],
  });
  await using system = await startSystem({
    targets: { web: { type: "files", directory: "/nonexistent/web", bundle: "{certificate}.pem" } },
    certificates: { a: certificate("a"), b: certificate("b"), c: certificate("c") },
  });
  const { ca, pebble, store } = system;
  const limits = { certificatesPerDomain: { max: 1, per: "1h" }, ordersPerAccount: { max: 9, per: "1h" } };
  await system.configure({
    sections: { issuers: { ca: { directory: ca.directory, trust: "ca.pem", termsOfServiceAgreed: true, limits } } },
  });
  await using app = await openContext(system.configFile, { log: createLog({ level: "error", pretty: false }) });
  const context = withoutQueue(app.context);
  await configure(context, NO_SIGNAL);
  const responder = await startHttp01Responder({
    host: "127.0.0.1",
    port: pebble.httpPort,
    challenges: store.challenges,
  });
  try {
    const report = await planReport(store, app.config.certificates, Date.now(), app.services.budget);
    expect(report.exhausted).toMatchObject([
      { issuer: "ca", limit: "1 certificates per registered domain in 1 h (example.org)", left: 1, wanted: 3 },
    ]);

    const [first, ...rest] = await planDue(context, NO_SIGNAL);
    expect(rest, "one tick plans no more than the CA allows").toEqual([]);
    await issue(context, first?.id ?? "", NO_SIGNAL);
    expect(await store.versions.latest(first?.certificate ?? "")).toMatchObject({ generation: 1 });

    const held = (
      await planReport(store, app.config.certificates, Date.now(), app.services.budget)
    ).certificates.filter(({ heldBy }) => heldBy === "budget");
    expect(held).toHaveLength(2);
    expect(held[0]?.detail).toMatch(/^waits until .*Z: 1 certificates per registered domain in 1 h \(example\.org\)$/);

    // As if another planner had planned it in the same moment.
    const name = held[0]?.certificate ?? "";
    const record = await store.certificates.get(name);
    const late = {
      ...first,
      id: crypto.randomUUID(),
      certificate: name,
      digest: record?.digest ?? "",
      issueDigest: context.services.certificate(name)?.issueDigest ?? null,
      state: "planned",
      fence: 0,
    };
    expect(first && (await store.renewals.insert({ ...first, ...late, state: "planned" }))).toBe(true);
    await issue(context, late.id, NO_SIGNAL);
    const waiting = await store.renewals.get(late.id);
    expect(waiting).toMatchObject({ state: "issuing", errorCode: "acme.budget", attempts: 0, leaseUntil: null });
    expect(waiting?.retryAt).toBeGreaterThan(Date.now() + 50 * 60_000);
    expect(system.orders()).toBe(1);
  } finally {
    await responder.close();
  }
});
