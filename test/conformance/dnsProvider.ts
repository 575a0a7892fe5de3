import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import type { ChallengeResponse, Solver } from "../../src/domain/issuer.ts";
import { challengeValue } from "../../src/solvers/dns/challenge.ts";
import type { DnsDependencies } from "../../src/solvers/dns/dependencies.ts";
import { memoryDns } from "../support/dns/dependencies.ts";

export interface DnsSolverUnderTest extends AsyncDisposable {
  /** A zone that its credentials may change. */
  readonly zone: string;
  /** A solver, as a process of its own has one. All of one subject share `dns`. */
  solver(dependencies: Pick<DnsDependencies, "dns">): Solver;
  /** TXT values that the provider holds at a name. */
  values(name: string): Promise<readonly string[]>;
  /** Puts a value there that renewd did not publish; null: the place can hold no other. */
  readonly occupy: ((name: string, value: string) => Promise<void>) | null;
  /** How many values fit at one name. Default: many. */
  readonly valuesPerName?: number;
  /** Makes the next change fail after the provider has made it, as a lost answer does; null: cannot be staged. */
  readonly loseAnswer?: (() => void) | null;
  /** From now on the provider takes requests and never answers; null or left out: cannot be staged. */
  readonly fallSilent?: (() => { readonly asked: () => boolean; readonly mend: () => void }) | null;
  /** From now on it refuses everything and repeats the credentials, which are returned; null: cannot be staged. */
  readonly refuse?: (() => { readonly credentials: readonly string[]; readonly mend: () => void }) | null;
}

/** What every DNS solver promises, besides `describeSolver`. For plug-ins as well. */
export function describeDnsSolver(type: string, start: () => Promise<DnsSolverUnderTest>): void {
  const signal = (): AbortSignal => new AbortController().signal;

  describe(`DNS solver ${type}`, () => {
    it("holds apex and wildcard of one order at one name, and removes each by itself", async (context) => {
      await using subject = await start();
      if (subject.valuesPerName === 1) return context.skip("one value at a time");
      const [solver, name] = [subject.solver({ dns: memoryDns() }), `_acme-challenge.www.${subject.zone}`];
      const [apex, wildcard] = [challengeOf(`www.${subject.zone}`), challengeOf(`www.${subject.zone}`)];
      await solver.present(apex, signal());
      await solver.present(wildcard, signal());
      expect((await subject.values(name)).toSorted()).toEqual([apex, wildcard].map(challengeValue).toSorted());
      await solver.cleanUp(apex, signal());
      expect(await subject.values(name)).toEqual([challengeValue(wildcard)]);
      await solver.cleanUp(wildcard, signal());
      expect(await subject.values(name)).toEqual([]);
    });

    it("lists the names of its zones where it can, and none that only answers a challenge", async (context) => {
      await using subject = await start();
      const solver = subject.solver({ dns: memoryDns() });
      if (solver.dns?.zoneNames === undefined) return context.skip("it cannot list");
      const challenge = challengeOf(`www.${subject.zone}`);
      await solver.present(challenge, signal());
      const found = await solver.dns.zoneNames([`www.${subject.zone}`], signal());
      await solver.cleanUp(challenge, signal());
      const own = found.find(({ zone }) => zone === subject.zone);
      expect(own?.names).not.toEqual([]);
      expect(own?.names.filter((name) => name.startsWith("_acme-challenge"))).toEqual([]);
      expect(own?.names.every((name) => name === subject.zone || name.endsWith(`.${subject.zone}`))).toBe(true);
    });

    it("loses no value when two orders publish at one name at once", async (context) => {
      await using subject = await start();
      if (subject.valuesPerName === 1) return context.skip("one value at a time");
      const dns = memoryDns();
      const [one, other] = [subject.solver({ dns }), subject.solver({ dns })];
      const challenges = Array.from({ length: 4 }, () => challengeOf(`www.${subject.zone}`));
      await Promise.all(challenges.map((each, i) => (i % 2 === 0 ? one : other).present(each, signal())));
      const name = `_acme-challenge.www.${subject.zone}`;
      expect((await subject.values(name)).toSorted()).toEqual(challenges.map(challengeValue).toSorted());
      await Promise.all(challenges.map((each, i) => (i % 2 === 0 ? other : one).cleanUp(each, signal())));
      expect(await subject.values(name)).toEqual([]);
      expect([...dns.rows.keys()]).toEqual([]);
    });

    it("publishes what is published nowhere twice, and cleans up twice", async () => {
      await using subject = await start();
      const [dns, one] = [memoryDns(), challengeOf(`twice.${subject.zone}`)];
      const name = `_acme-challenge.twice.${subject.zone}`;
      await subject.solver({ dns }).present(one, signal());
      // Another process, and a row that says that the answer of the first attempt was lost.
      for (const row of dns.rows.values()) await dns.records.update(row.id, { state: "publishing", publishedAt: null });
      await subject.solver({ dns }).present(one, signal());
      expect(await subject.values(name)).toEqual([challengeValue(one)]);
      await subject.solver({ dns }).cleanUp(one, signal());
      await subject.solver({ dns }).cleanUp(one, signal());
      expect(await subject.values(name)).toEqual([]);
    });

    it("chooses a name's zone alike, whatever was asked of it before", async () => {
      await using subject = await start();
      const dns = memoryDns();
      const [known, fresh] = [subject.solver({ dns }), subject.solver({ dns })];
      const [before, one] = [challengeOf(`a.${subject.zone}`), challengeOf(`b.${subject.zone}`)];
      const zoneOf = async (solver: Solver): Promise<string[]> => {
        await solver.present(one, signal());
        const found = [...dns.rows.values()].map(({ zoneId, zoneName }) => `${zoneId} ${zoneName}`);
        await solver.cleanUp(one, signal());
        return found;
      };
      await known.present(before, signal());
      await known.cleanUp(before, signal());
      expect(await zoneOf(known)).toEqual(await zoneOf(fresh));
    });

    it("publishes once what the provider took although its answer was lost, and removes it", async (context) => {
      await using subject = await start();
      if (subject.loseAnswer == null) return context.skip("a lost answer cannot be staged");
      const [dns, one] = [memoryDns(), challengeOf(`lost.${subject.zone}`)];
      const name = `_acme-challenge.lost.${subject.zone}`;
      subject.loseAnswer();
      await expect(subject.solver({ dns }).present(one, signal())).rejects.toThrow();
      expect([...dns.rows.values()]).toMatchObject([{ name, state: "publishing" }]);
      await subject.solver({ dns }).present(one, signal());
      expect(await subject.values(name)).toEqual([challengeValue(one)]);
      await subject.solver({ dns }).cleanUp(one, signal());
      expect([await subject.values(name), dns.rows.size]).toEqual([[], 0]);
    });

    it("ends at once when it is cancelled while the provider does not answer, and can be cleaned up", async (context) => {
      await using subject = await start();
      if (subject.fallSilent == null) return context.skip("silence cannot be staged");
      const [dns, one, reason] = [memoryDns(), challengeOf(`quiet.${subject.zone}`), new Error("stop")];
      const cancelled = new AbortController();
      const silence = subject.fallSilent();
      const presented = subject.solver({ dns }).present(one, cancelled.signal);
      const failed = expect(presented).rejects.toBe(reason);
      await expect.poll(silence.asked, { timeout: 10_000 }).toBe(true);
      cancelled.abort(reason);
      await failed;
      silence.mend();
      await subject.solver({ dns }).cleanUp(one, signal());
      expect([await subject.values(`_acme-challenge.quiet.${subject.zone}`), dns.rows.size]).toEqual([[], 0]);
    });

    it("says why it is refused without the credentials that the answer repeats, and leaves nothing", async (context) => {
      await using subject = await start();
      if (subject.refuse == null) return context.skip("a refusal cannot be staged");
      const [dns, one] = [memoryDns(), challengeOf(`no.${subject.zone}`)];
      const refusal = subject.refuse();
      const thrown: unknown = await subject
        .solver({ dns })
        .present(one, signal())
        .catch((error: unknown) => error);
      expect(thrown).toMatchObject({ name: "RenewalError", code: expect.stringMatching(/^dns\./) });
      for (const credential of refusal.credentials) expect(inspect(thrown)).not.toContain(credential);
      refusal.mend();
      await subject.solver({ dns }).cleanUp(one, signal());
      expect([await subject.values(`_acme-challenge.no.${subject.zone}`), dns.rows.size]).toEqual([[], 0]);
    });

    it("removes by its row alone what a process that died has left", async () => {
      await using subject = await start();
      const [dns, one] = [memoryDns(), challengeOf(`crash.${subject.zone}`)];
      await subject.solver({ dns }).present(one, signal());
      const [row] = dns.rows.values();
      expect(row).toMatchObject({ name: `_acme-challenge.crash.${subject.zone}`, value: challengeValue(one) });
      if (row === undefined) return;
      await subject.solver({ dns }).dns?.withdraw(row, signal());
      await subject.solver({ dns }).dns?.withdraw(row, signal());
      expect(await subject.values(row.name)).toEqual([]);
      expect(dns.rows.size).toBe(0);
    });

    it("leaves what a resumed order has published again, although a clean-up had already chosen it", async () => {
      await using subject = await start();
      const [dns, one] = [memoryDns(), challengeOf(`again.${subject.zone}`)];
      await subject.solver({ dns }).present(one, signal());
      const [row] = dns.rows.values();
      if (row === undefined) return expect.unreachable("present wrote no row");
      await dns.records.update(row.id, { state: "removing" });
      const [chosen] = await dns.records.leftovers(Date.now(), 1);
      if (chosen === undefined) return expect.unreachable("the row is no leftover");
      await subject.solver({ dns }).present(one, signal());
      await subject.solver({ dns }).dns?.withdraw(chosen, signal());
      expect(await subject.values(row.name)).toEqual([challengeValue(one)]);
      expect([...dns.rows.values()]).toMatchObject([{ id: row.id, state: "published" }]);
      await subject.solver({ dns }).cleanUp(one, signal());
      expect(await subject.values(row.name)).toEqual([]);
    });

    it("leaves another's value alone", async (context) => {
      await using subject = await start();
      if (subject.occupy === null) return context.skip("the place can hold no other value");
      const [solver, one] = [subject.solver({ dns: memoryDns() }), challengeOf(`shared.${subject.zone}`)];
      const name = `_acme-challenge.shared.${subject.zone}`;
      await subject.occupy(name, "somebody else's");
      await solver.present(one, signal());
      expect((await subject.values(name)).toSorted()).toEqual([challengeValue(one), "somebody else's"].toSorted());
      await solver.cleanUp(one, signal());
      expect(await subject.values(name)).toEqual(["somebody else's"]);
    });

    it("changes nothing once aborted, and says the signal's reason", async () => {
      await using subject = await start();
      const [dns, one] = [memoryDns(), challengeOf(`stop.${subject.zone}`)];
      const reason = new Error("stop");
      await expect(subject.solver({ dns }).present(one, AbortSignal.abort(reason))).rejects.toBe(reason);
      expect(await subject.values(`_acme-challenge.stop.${subject.zone}`)).toEqual([]);
    });

    it.each([
      "a b.example.org",
      "a\n.example.org",
      "$(id).example.org",
      "../x.example.org",
      "-x.example.org",
      `${"a".repeat(64)}.example.org`,
      "",
      ".",
      "ä.example.org",
    ])("publishes nothing for the hostile name %j", async (value) => {
      await using subject = await start();
      const [dns, one] = [memoryDns(), challengeOf(value)];
      await expect(subject.solver({ dns }).present(one, signal())).rejects.toMatchObject({ code: "dns.badName" });
      expect(dns.rows.size).toBe(0);
    });
  });
}

export function challengeOf(name: string): ChallengeResponse {
  const token = randomBytes(32).toString("base64url");
  return {
    identifier: { type: "dns", value: name },
    token,
    keyAuthorization: `${token}.${randomBytes(32).toString("base64url")}`,
  };
}
