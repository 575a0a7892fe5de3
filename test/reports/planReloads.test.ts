import { expect, it } from "vitest";
import { renderPlan } from "../../src/cli/render/plan.ts";
import { planReport } from "../../src/reports/plan.ts";
import { certificate, NOW } from "../support/model/facts.ts";
import { configText, createInstallation } from "../support/system/installation.ts";

it("a plan says which servers are reloaded when what is due is deployed", async () => {
  await using installation = await createInstallation(configText([]), { planned: false });
  const certificates = ["a", "b"].map((name) => certificate({ name, targets: ["web", "lb"] }));
  const report = await planReport(
    installation.store,
    certificates,
    NOW,
    undefined,
    undefined,
    (target) => target === "web",
  );
  expect(report.certificates.map(({ reloads }) => reloads)).toEqual([["web"], ["web"]]);
  expect(renderPlan(report, { width: 100, colours: false })).toContain(
    "Reloaded when what is due is deployed:\nweb: for 2 certificates",
  );
  const observed = await planReport(
    installation.store,
    [certificate({ targets: ["web"], mode: "observe" })],
    NOW,
    undefined,
    undefined,
    () => true,
  );
  expect(observed.certificates[0]?.reloads).toEqual([]);
});
