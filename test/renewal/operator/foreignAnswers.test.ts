import { expect, it } from "vitest";
import { findForeignAnswers, removeForeignAnswers } from "../../../src/renewal/operator/foreignAnswers.ts";
import { challengeValue } from "../../../src/solvers/dns/challenge.ts";
import { dnsSolver } from "../../../src/solvers/dns/solver.ts";
import { challengeOf } from "../../conformance/dnsProvider.ts";
import { memoryDns, named, solverDependencies } from "../../support/dns/dependencies.ts";
import { memoryProvider } from "../../support/dns/provider.ts";
import { identifierOf } from "../../support/identifier.ts";
import { certificate } from "../../support/model/facts.ts";

const NAME = "_acme-challenge.example.org";
const SITE = certificate({
  name: "site",
  identifiers: ["example.org", "*.example.org"].map(identifierOf),
  solvers: ["dns"],
});
const signal = (): AbortSignal => new AbortController().signal;

function world(model: "record" | "blind" = "record") {
  const [provider, dns] = [memoryProvider(model, [{ id: "z", name: "example.org" }]), memoryDns()];
  const solver = dnsSolver(provider.kind).create({ follow: "never" }, solverDependencies({ dns, solver: "dns" }));
  const services = { solver: () => solver, solvers: () => [named(solver, [], "dns")] };
  const context = { store: { dns }, services };
  const plant = (value: string): number => provider.held.push({ name: NAME, value, id: `id of ${value}` });
  return { provider, solver, context, plant };
}

it("foreign values are those at our names that have no row; apex and wildcard share one place", async () => {
  const { solver, context, plant } = world();
  await solver.present(challengeOf("example.org"), signal());
  plant("left by another client");
  const about = { certificate: "site", identifier: "example.org", solver: "dns", name: NAME };
  expect(await findForeignAnswers(context, [SITE], signal())).toEqual({
    found: [{ ...about, value: "left by another client" }],
    unknown: [],
  });
});

it("they go only on request, one or all, and never ours", async () => {
  const { provider, solver, context, plant } = world();
  const ours = challengeOf("example.org");
  await solver.present(ours, signal());
  for (const value of ["one", "two", "three"]) plant(value);
  await removeForeignAnswers(context, SITE, "two", signal());
  expect(provider.values(NAME)).toEqual([challengeValue(ours), "one", "three"]);
  await expect(removeForeignAnswers(context, SITE, challengeValue(ours), signal())).rejects.toMatchObject({
    code: "request.invalid",
  });
  await removeForeignAnswers(context, SITE, "all", signal());
  expect(provider.values(NAME)).toEqual([challengeValue(ours)]);
});

it("a provider that cannot list, or does not answer, is said and hides nothing", async () => {
  const blind = world("blind");
  expect(await findForeignAnswers(blind.context, [SITE], signal())).toMatchObject({
    unknown: [{ identifier: "example.org", why: "the provider cannot list what is published" }],
  });
  const lost = world();
  lost.provider.zones.splice(0);
  expect(await findForeignAnswers(lost.context, [SITE], signal())).toMatchObject({
    unknown: [{ why: expect.stringContaining("has no zone") }],
  });
});
