import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { ChallengeResponse, Solver } from "../../src/domain/issuer.ts";

export interface SolverUnderTest extends AsyncDisposable {
  readonly solver: Solver;
  /** What the CA would find published for this challenge; null: nothing. */
  published(challenge: ChallengeResponse): Promise<string | null>;
  /** What the CA must find: for http-01 the key authorization itself. */
  expected(challenge: ChallengeResponse): string;
  /** A name has one answer at a time; another one is `dns.busy`. Default: any number. */
  readonly onePerName?: true;
  /** Puts a value there that this solver did not publish for `challenge`; null if the place can hold no other. */
  readonly occupy: ((challenge: ChallengeResponse, value: string) => Promise<void>) | null;
}

/** What the Solver contract promises, for every solver kind. */
export function describeSolver(type: string, start: () => Promise<SolverUnderTest>): void {
  const signal = (): AbortSignal => new AbortController().signal;

  describe(`solver ${type}`, () => {
    it("publishes what the CA looks for, and takes it away again", async () => {
      await using subject = await start();
      const one = challenge();
      expect(await subject.published(one)).toBeNull();
      await subject.solver.present(one, signal());
      await subject.solver.readiness?.(one, signal());
      expect(await subject.published(one)).toBe(subject.expected(one));
      await subject.solver.cleanUp(one, signal());
      expect(await subject.published(one)).toBeNull();
    });

    it("may present and clean up twice", async () => {
      await using subject = await start();
      const one = challenge();
      await subject.solver.present(one, signal());
      await subject.solver.present(one, signal());
      expect(await subject.published(one)).toBe(subject.expected(one));
      await subject.solver.cleanUp(one, signal());
      await subject.solver.cleanUp(one, signal());
      expect(await subject.published(one)).toBeNull();
    });

    it("cleans up what was never presented without complaint", async () => {
      await using subject = await start();
      const one = challenge();
      await subject.solver.cleanUp(one, signal());
      expect(await subject.published(one)).toBeNull();
    });

    it("keeps several challenges of one name apart", async () => {
      await using subject = await start();
      const [one, other] = [challenge(), challenge()];
      if (subject.onePerName) return await expectOneByOne(subject, one, other);
      await Promise.all([subject.solver.present(one, signal()), subject.solver.present(other, signal())]);
      await subject.solver.cleanUp(one, signal());
      expect(await subject.published(one)).toBeNull();
      expect(await subject.published(other)).toBe(subject.expected(other));
    });

    it("removes only its own value", async (context) => {
      await using subject = await start();
      if (subject.occupy === null) return context.skip("the place can hold no other value");
      const one = challenge();
      await subject.occupy(one, "somebody else's");
      await subject.solver.cleanUp(one, signal());
      expect(await subject.published(one)).toBe("somebody else's");
    });

    it("does nothing once aborted, and says the signal's reason", async () => {
      await using subject = await start();
      const one = challenge();
      const reason = new Error("stop");
      await expect(subject.solver.present(one, AbortSignal.abort(reason))).rejects.toBe(reason);
      expect(await subject.published(one)).toBeNull();
      await subject.solver.present(one, signal());
      await expect(subject.solver.cleanUp(one, AbortSignal.abort(reason))).rejects.toBe(reason);
      expect(await subject.published(one)).toBe(subject.expected(one));
    });

    it.each(["", ".", "..", "../../x", "a/b", "a\\b", "a\0b", "a\nb", "a b", "ä", "x".repeat(257)])(
      "publishes nothing for the token %j",
      async (token) => {
        await using subject = await start();
        const hostile = { ...challenge(), token };
        await expect(subject.solver.present(hostile, signal())).rejects.toMatchObject({
          name: "RenewalError",
          code: "solver.failed",
        });
        await expect(subject.solver.cleanUp(hostile, signal())).rejects.toMatchObject({
          name: "RenewalError",
          code: "solver.failed",
        });
      },
    );
  });
}

async function expectOneByOne(
  { solver, published, expected }: SolverUnderTest,
  one: ChallengeResponse,
  other: ChallengeResponse,
): Promise<void> {
  const { signal } = new AbortController();
  await solver.present(one, signal);
  await expect(solver.present(other, signal)).rejects.toMatchObject({ code: "dns.busy" });
  await solver.cleanUp(other, signal);
  expect(await published(one)).toBe(expected(one));
  await solver.cleanUp(one, signal);
  await solver.present(other, signal);
  expect(await published(other)).toBe(expected(other));
}

function challenge(): ChallengeResponse {
  const token = randomBytes(32).toString("base64url");
  return {
    identifier: { type: "dns", value: "www.example.org" },
    token,
    keyAuthorization: `${token}.${randomBytes(32).toString("base64url")}`,
  };
}
