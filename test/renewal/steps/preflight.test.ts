// What a solver or an issuer finds is its own test's matter; here, whom is asked and what stops an order.
import { describe, expect, it } from "vitest";
import type { StandingVerdict } from "../../../src/domain/dnsPersist.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { Concern, Eligibility, Issuer, NamedSolver, Solver } from "../../../src/domain/issuer.ts";
import { assertWorthOrdering, type NameConcern, preflight } from "../../../src/renewal/steps/preflight.ts";
import { named } from "../../support/dns/dependencies.ts";
import { identifierOf } from "../../support/identifier.ts";
import { certificate } from "../../support/model/facts.ts";

const ACCOUNT = {
  issuerDomainNames: ["ca.example"],
  ...{ accountUrl: "https://ca.example/acct/1", keyThumbprint: "t", accountHashPrefix: null },
};
const nothing = async (): Promise<void> => {};
const fatal = (check: string): Concern => ({ check, message: `${check} is wrong`, fatal: true });

function solver(challengeType: string, found: readonly Concern[], more: Partial<Solver> = {}): Solver {
  return { challengeType, present: nothing, cleanUp: nothing, preflight: async () => found, ...more };
}
const record = (verdict: StandingVerdict): Solver => solver("dns-persist-01", [], { standing: async () => verdict });
const MISSING: StandingVerdict = { kind: "missing", why: "ns1 has no TXT record there" };
const VALID: StandingVerdict = { kind: "valid", until: null, endsSoon: false };

function ask(
  solvers: readonly NamedSolver[],
  {
    names = ["www.example.org"],
    thorough = true,
    issuer = { standing: async () => ACCOUNT },
  }: { names?: readonly string[]; thorough?: boolean; issuer?: Partial<Issuer> } = {},
): Promise<readonly NameConcern[]> {
  const whole: Issuer = { issue: async () => expect.unreachable(), ...issuer };
  const services = { solvers: () => solvers, issuer: () => whole };
  const subject = certificate({ identifiers: names.map(identifierOf) });
  return preflight({ services }, subject, { issuer: "ca", thorough }, AbortSignal.timeout(10_000));
}

const short = (concerns: readonly NameConcern[]): string[] =>
  concerns.map((each) => `${each.identifier ?? "-"} ${each.solver ?? "-"} ${each.check}${each.fatal ? "!" : ""}`);

describe("before an order", () => {
  it("a fatal concern of DNS refuses it, and one of HTTP only warns", async () => {
    const zone = named(solver("dns-01", [fatal("dns.noZone")]), ["example.org"], "zone");
    const web = named(solver("http-01", [fatal("http"), fatal("dns")]), [], "web");
    const found = await ask([zone, web], { names: ["www.example.org", "www.example.net"], thorough: false });
    expect(short(found)).toEqual(["www.example.org zone dns.noZone!", "www.example.net web http"]);
    expect(() => assertWorthOrdering(found)).toThrow(/cannot succeed: www.example.org: dns.noZone is wrong/);
    expect(() => assertWorthOrdering(found.slice(1))).not.toThrow();
  });

  it.each<[Partial<Eligibility>, string[], string | null]>([
    [{ obstacle: "the CAA record of a permits no one", isCaa: true }, ["- - caa!"], "acme.caa"],
    [{ obstacle: "it offers no profile x" }, ["- - issuer"], null],
    [{ obstacle: null, notes: ["not looked up"] }, [], null],
  ])("of what the CA would say, only CAA refuses it: %j", async (eligibility, expected, code) => {
    const issuer = { eligibility: async () => ({ obstacle: null, notes: [], ...eligibility }) };
    const found = await ask([named(solver("http-01", []))], { thorough: false, issuer });
    expect(short(found)).toEqual(expected);
    const refusal = (): void => assertWorthOrdering(found);
    if (code === null) expect(refusal).not.toThrow();
    else expect(refusal).toThrow(expect.objectContaining({ code }));
  });

  it("a check that fails by itself does not", async () => {
    const broken = async (): Promise<never> => {
      throw new RenewalError("dns.unreachable", "no answer");
    };
    const found = await ask([named(solver("dns-01", [], { preflight: broken }))], { thorough: false });
    expect(short(found)).toEqual(["www.example.org solver preflight"]);
    expect(await ask([named(solver("http-01", [], { preflight: broken }))], { thorough: false })).toEqual([]);
  });
});

describe("the solver that is asked", () => {
  it("is the first whose provider has the zone, for a wildcard one of DNS", async () => {
    const seen: string[] = [];
    const seeing = (name: string, type: string, owns: boolean): NamedSolver =>
      named(
        solver(type, [], {
          owns: async () => owns,
          preflight: async ({ value }) => {
            seen.push(`${name} ${value}`);
            return [];
          },
        }),
        [],
        name,
      );
    const solvers = [
      seeing("lacking", "dns-01", false),
      seeing("web", "http-01", true),
      seeing("zone", "dns-01", true),
    ];
    await ask(solvers, { names: ["www.example.org", "*.example.net", "example.net"] });
    expect(seen.toSorted()).toEqual(["web www.example.org", "zone *.example.net"]);
  });

  it("is missing where none can answer", async () => {
    const found = await ask([named(solver("http-01", []), ["example.net"])]);
    expect(short(found)).toEqual(["www.example.org - solver!"]);
  });
});

describe("a dns-persist-01 record", () => {
  it.each<[StandingVerdict, string[]]>([
    [VALID, []],
    [{ ...VALID, until: 1_800_000_000, endsSoon: true }, ["www.example.org standing persist"]],
    [{ kind: "unknown", why: "ns2 cannot be reached" }, ["www.example.org standing persist"]],
    [MISSING, ["www.example.org standing persist!"]],
    [{ kind: "wrong", why: "for another account" }, ["www.example.org standing persist!"]],
  ])("%j", async (verdict, expected) => {
    expect(short(await ask([named(record(verdict), [], "standing")]))).toEqual(expected);
  });

  it("that is missing is no obstacle where another solver can answer, whose concerns then count", async () => {
    const zone = named(solver("dns-01", [fatal("dns.credentials")]), [], "zone");
    const found = async (verdict: StandingVerdict): Promise<string[]> =>
      short(await ask([named(record(verdict), [], "standing"), zone]));
    expect(await found(MISSING)).toEqual(["www.example.org standing persist", "www.example.org zone dns.credentials!"]);
    expect(await found(VALID)).toEqual(["www.example.org zone dns.credentials"]);
  });

  it("cannot be checked before there is an account, which the first order registers", async () => {
    const issuer = { standing: async () => null };
    const [concern] = await ask([named(record(MISSING), [], "standing")], { issuer });
    expect(concern).toMatchObject({ check: "persist", fatal: false });
    expect(concern?.message).toContain("has no account yet");
  });
});
