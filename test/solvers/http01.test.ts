import { describe, expect, it } from "vitest";
import { http01 } from "../../src/solvers/http01.ts";
import { startHttp01Responder } from "../../src/web/http01.ts";
import { describeSolver } from "../conformance/solver.ts";
import { memoryChallenges } from "../support/model/orderMemory.ts";

describeSolver("http-01", async () => {
  const challenges = memoryChallenges();
  const responder = await startHttp01Responder({ host: "127.0.0.1", port: 0, challenges });
  return {
    solver: http01.create({}, { challenges, now: Date.now }),
    async published({ token }) {
      const response = await fetch(`http://127.0.0.1:${responder.port}/.well-known/acme-challenge/${token}`);
      return response.status === 200 ? response.text() : null;
    },
    expected: ({ keyAuthorization }) => keyAuthorization,
    occupy: ({ token }, value) => challenges.put(token, value, Date.now() + 1000),
    [Symbol.asyncDispose]: () => responder.close(),
  };
});

describe("solver http-01", () => {
  it("lets its answer expire by itself within the hour", async () => {
    const expiries: number[] = [];
    const challenges = {
      ...memoryChallenges(),
      put: async (_token: string, _value: string, expiresAt: number) => void expiries.push(expiresAt),
    };
    const solver = http01.create({}, { challenges, now: () => 1000 });
    const challenge = {
      identifier: { type: "dns", value: "a.example" },
      token: "abc",
      keyAuthorization: "abc.def",
    } as const;
    await solver.present(challenge, new AbortController().signal);
    expect(expiries).toEqual([3_601_000]);
  });
});
