import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RenewalError } from "../../src/domain/errors.ts";
import type { ChallengeResponse, NamedSolver, Readiness, Solver } from "../../src/domain/issuer.ts";
import { named } from "../support/dns/dependencies.ts";
import { memoryProgress } from "../support/model/orderMemory.ts";
import { type CaFixture, request, running, startCa } from "./caFixture.ts";

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa({ env: { PEBBLE_WFE_NONCEREJECT: "0", PEBBLE_AUTHZREUSE: "0" } });
});
afterAll(() => ca[Symbol.asyncDispose]());

const presentedFor = (seen: string[], solver: Solver): Solver => ({
  ...solver,
  present: (challenge, signal) => {
    seen.push(challenge.identifier.value);
    return solver.present(challenge, signal);
  },
});

describe("a list of solvers", () => {
  it("answers for each name by the first whose zones fit and whose challenge the CA offers", async () => {
    const [inZone, rest]: [string[], string[]] = [[], []];
    const nobody: Solver = {
      challengeType: "dns-persist-99",
      present: async () => expect.unreachable(),
      cleanUp: async () => {},
    };
    const solvers = [
      named(nobody, [], "future"),
      named(presentedFor(inZone, ca.solver), ["shop.example"], "shop"),
      named(presentedFor(rest, ca.solver), [], "rest"),
    ];
    await ca
      .issuer()
      .issue(request(["a.shop.example", "shop.example", "workshop.example"]), memoryProgress(), solvers, running());
    expect([inZone.toSorted(), rest]).toEqual([["a.shop.example", "shop.example"], ["workshop.example"]]);
  });

  it("without one for a name says so before anything is published", async () => {
    const before = ca.challenges.seen.length;
    const solvers = [named(ca.solver, ["shop.example"], "shop")];
    const attempt = ca.issuer().issue(request(["www.other.example"]), memoryProgress(), solvers, running());
    await expect(attempt).rejects.toMatchObject({
      code: "acme.noChallenge",
      message: "No solver of the certificate (shop) can answer for www.other.example.",
    });
    expect(ca.challenges.seen).toHaveLength(before);
  });
});

describe("a place that holds one answer at a time", () => {
  const busy = (): RenewalError => new RenewalError("dns.busy", "another is there", { retryAt: Date.now() + 5_000 });

  it("gets the authorizations of one order one after another, each removed before the next", async () => {
    const there = new Set<string>();
    let most = 0;
    const narrow: Solver = {
      ...ca.solver,
      async present(challenge, signal) {
        if (there.size > 0) throw busy();
        there.add(challenge.token);
        most = Math.max(most, there.size);
        await ca.solver.present(challenge, signal);
      },
      async cleanUp(challenge, signal) {
        there.delete(challenge.token);
        await ca.solver.cleanUp(challenge, signal);
      },
    };
    const progress = memoryProgress();
    const { leaf } = await ca
      .issuer()
      .issue(request(["a.one.example", "b.one.example", "c.one.example"]), progress, [named(narrow)], running());
    expect(leaf.identifiers).toHaveLength(3);
    expect([most, there.size]).toEqual([1, 0]);
    expect(progress.events.filter(({ type }) => type === "challenge.presented")).toHaveLength(3);
  });

  it("that another order holds keeps this one waiting: the same order goes on later", async () => {
    let free = false;
    const taken: Solver = {
      ...ca.solver,
      present: async (challenge, signal) => {
        if (!free) throw busy();
        await ca.solver.present(challenge, signal);
      },
    };
    const [progress, wanted] = [memoryProgress(), request()];
    const issue = () => ca.issuer().issue(wanted, progress, [named(taken)], running());
    await expect(issue()).rejects.toMatchObject({ code: "dns.busy" });
    const { orderUrl } = progress.state;
    free = true;
    await issue();
    expect(progress.state.orderUrl).toBe(orderUrl);
    expect(progress.abandoned).toEqual([]);
  });
});

describe("an answer that is slow to appear", () => {
  it("holds no worker: it stays published, and the same order is resumed when it may be visible", async () => {
    let readiness: Readiness = { ready: false, why: "ns2 lacks it", retryAt: Date.now() + 3_600_000 };
    const cleaned: ChallengeResponse[] = [];
    const slow: Solver = {
      ...ca.solver,
      readiness: async () => readiness,
      cleanUp: async (challenge, signal) => {
        cleaned.push(challenge);
        await ca.solver.cleanUp(challenge, signal);
      },
    };
    const [progress, wanted] = [memoryProgress(), request()];
    const issue = () => ca.issuer().issue(wanted, progress, [named(slow)], running());
    const startedAt = performance.now();
    await expect(issue()).rejects.toMatchObject({ code: "challenge.waiting", retryAt: readiness.retryAt });
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(cleaned).toEqual([]);
    expect(progress.events.at(-1)).toMatchObject({ type: "challenge.waiting", detail: { why: "ns2 lacks it" } });
    const { orderUrl } = progress.state;
    readiness = { ready: true, note: "port 53 is blocked" };
    await issue();
    expect(progress.state.orderUrl).toBe(orderUrl);
    expect(progress.events.find(({ type }) => type === "challenge.unconfirmed")?.detail).toMatchObject({
      note: "port 53 is blocked",
    });
    expect(new Set(cleaned.map(({ token }) => token)).size).toBe(1);
  });

  it("that appears within seconds is waited for in the same attempt", async () => {
    let checks = 0;
    const quick: Solver = {
      ...ca.solver,
      readiness: async () =>
        ++checks < 3 ? { ready: false, why: "not yet", retryAt: Date.now() + 5 } : { ready: true, note: null },
    };
    await ca.issuer().issue(request(), memoryProgress(), [named(quick)], running());
    expect(checks).toBe(3);
  });
});

describe("a dns-persist-01 challenge", () => {
  /** The CA offers it beside what it really has. */
  async function offering<T>(names: object, work: () => Promise<T>): Promise<T> {
    ca.proxy.intercept = async ({ path }, forward) => {
      const answer = await forward();
      if (!path.startsWith("/authZ/") || answer.status !== 200) return answer;
      const authorization = JSON.parse(answer.body);
      const url = `${authorization.challenges[0].url}-persist`;
      const persist = { type: "dns-persist-01", url, status: "pending", ...names };
      const challenges = [persist, ...authorization.challenges];
      return { ...answer, body: JSON.stringify({ ...authorization, challenges }) };
    };
    try {
      return await work();
    } finally {
      ca.proxy.intercept = null;
    }
  }
  const persist = (kind: "missing" | "unknown"): Solver => ({
    challengeType: "dns-persist-01",
    standing: async () => ({ kind, why: "has no TXT record" }),
    present: async () => expect.unreachable(),
    cleanUp: async () => expect.unreachable(),
  });
  const issue = (name: string, solvers: readonly NamedSolver[]) =>
    ca.issuer().issue(request([name]), memoryProgress(), solvers, running());

  it("that cannot be used is no obstacle beside one that is answered", async () => {
    // Draft -02 §3.1: clients reject a challenge without names.
    await offering({ issuerDomainNames: [] }, async () => {
      const solvers = [named(persist("unknown"), [], "persist"), named(ca.solver, [], "web")];
      const { leaf } = await issue("persist.example.org", solvers);
      expect(leaf.identifiers).toEqual([{ type: "dns", value: "persist.example.org" }]);
      await expect(issue("persist-2.example.org", solvers.slice(0, 1))).rejects.toMatchObject({
        ...{ code: "acme.server", message: expect.stringContaining("dns-persist-01 challenge") },
      });
    });
  });

  it("whose record does not stand leaves the name to the next solver", async () => {
    await offering({ "issuer-domain-names": ["ca.example"] }, async () => {
      const solvers = [named(persist("missing"), [], "persist"), named(ca.solver, [], "web")];
      const { leaf } = await issue("persist-3.example.org", solvers);
      expect(leaf.identifiers).toEqual([{ type: "dns", value: "persist-3.example.org" }]);
    });
  });

  it("that does not agree with the CA's directory does so too, and alone says why", async () => {
    // Draft -02 §4.1: its directory has to say `accountHashPrefix`.
    await offering({ issuerDomainNames: ["ca.example"] }, async () => {
      const solvers = [named(persist("unknown"), [], "persist"), named(ca.solver, [], "web")];
      const { leaf } = await issue("persist-4.example.org", solvers);
      expect(leaf.identifiers).toEqual([{ type: "dns", value: "persist-4.example.org" }]);
      await expect(issue("persist-5.example.org", solvers.slice(0, 1))).rejects.toMatchObject({
        ...{ code: "acme.server", message: expect.stringContaining("`accountHashPrefix`") },
      });
    });
  });
});

describe("a solver whose provider lacks the zone", () => {
  const lacking = (asked: string[]): Solver => ({
    ...ca.solver,
    owns: async ({ value }) => {
      asked.push(value);
      return !value.startsWith("elsewhere");
    },
  });

  it("leaves the name to the next one that fits", async () => {
    const [asked, seen, rest]: [string[], string[], string[]] = [[], [], []];
    const solvers = [
      named(presentedFor(seen, lacking(asked)), [], "provider"),
      named(presentedFor(rest, ca.solver), [], "web"),
    ];
    const names = ["elsewhere.example.net", "here.example.org"];
    await ca.issuer().issue(request(names), memoryProgress(), solvers, running());
    expect([asked.toSorted(), seen, rest]).toEqual([names, ["here.example.org"], ["elsewhere.example.net"]]);
  });

  it("is asked alone when it is the only one: its own error says what is wrong", async () => {
    const asked: string[] = [];
    const solver = {
      ...lacking(asked),
      present: async () => {
        throw new RenewalError("dns.noZone", "it has no zone");
      },
    };
    const attempt = ca.issuer().issue(request(["elsewhere.example.com"]), memoryProgress(), [named(solver)], running());
    await expect(attempt).rejects.toMatchObject({ code: "dns.noZone" });
    expect(asked).toEqual([]);
  });
});
