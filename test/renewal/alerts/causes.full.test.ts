import { expect, it } from "vitest";
import { MINUTE_MS } from "../../../src/domain/time.ts";
import { AlertBench, alertCertificate } from "../../support/model/alertBench.ts";

it("200 certificates behind three faults, and five with faults of their own, make exactly 8 alerts", async () => {
  const many = (count: number, prefix: string, patch: Parameters<typeof alertCertificate>[1]) =>
    Array.from({ length: count }, (_, i) => alertCertificate(`${prefix}-${i}`, patch));
  const single = ["caa", "name", "csr", "profile", "own"];
  await using estate = await AlertBench.open([
    ...many(90, "le", { issuer: "le", targets: ["edge"] }),
    ...many(85, "dns", { solvers: ["dns"], targets: ["edge"] }),
    ...many(20, "lb", { targets: ["lb"] }),
    ...single.map((name) => alertCertificate(name, { targets: [name === "own" ? "old-lb" : "edge"] })),
  ]);
  estate.channel("ops");
  await estate.after(0);
  const { broken } = estate;
  broken.set("issuer le", "acme.server").set("solver dns", "dns.credentials").set("target lb", "deploy.unreachable");
  broken.set("certificate caa", "acme.caa").set("certificate name", "acme.rejectedIdentifier");
  broken.set("certificate csr", "acme.badCsr").set("certificate profile", "acme.profile");
  broken.set("target old-lb", "deploy.forbidden");
  await estate.renew();
  // The same records again and again are the same alerts.
  for (let tick = 0; tick < 10; tick++) await estate.after(MINUTE_MS);
  const alerts = await estate.bench.store.alerts.open();
  expect(alerts.map(({ cause, members }) => `${members.length} ${cause}`).toSorted()).toEqual([
    "1 renewal · caa.org · acme.caa",
    "1 renewal · csr · acme.badCsr",
    "1 renewal · name.org · acme.rejectedIdentifier",
    "1 renewal · profile · acme.profile",
    "1 renewal · target old-lb · deploy.forbidden",
    "20 renewal · target lb · deploy.unreachable",
    "85 renewal · solver dns · dns.credentials",
    "90 renewal · issuer le · acme.server",
  ]);
  expect(estate.texts()).toHaveLength(8);
  expect(estate.texts()).toContain(
    "opened 20 certificates (target lb): renewal failed: 0 of 1 targets deployed; target lb: target lb is broken",
  );
  const solver = estate.sent.find(({ notification: { message } }) => message.startsWith("85 "));
  const facts = Object.fromEntries(solver?.notification.more ?? []);
  expect(facts).toMatchObject({ Certificates: expect.stringMatching(/^dns-0, .* and 65 more$/) });
});
