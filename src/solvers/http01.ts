import { z } from "zod";
import { checkToken } from "../domain/challengeToken.ts";
import type { ChallengeResponses, Solver } from "../domain/issuer.ts";
import { late } from "../domain/late.ts";
import type { Plugin } from "../domain/plugin.ts";
import type { DnsDependencies } from "./dns/dependencies.ts";
import { resolversOption } from "./dns/options.ts";

/** Longer than any CA validates. An answer that a crash left behind expires by itself. */
const EXPIRES_AFTER_MS = 3600_000;

export interface SolverDependencies extends DnsDependencies {
  readonly challenges: ChallengeResponses;
}

const options = z.strictObject({ resolvers: resolversOption });
const examineHttp = late(async () => (await import("./httpReachability.ts")).examineHttp);

/** Answers through renewd's own responder (RFC 8555 §8.3): any process that runs one serves any worker's token. */
export const http01: Plugin<z.infer<typeof options>, Pick<SolverDependencies, "challenges" | "now">, Solver> = {
  type: "http-01",
  challengeType: "http-01",
  needsResponder: "http01",
  description: "Answers http-01 challenges through renewd's own responder on port 80.",
  options,
  create: ({ resolvers }, { challenges, now }) => ({
    challengeType: "http-01",
    needsResponder: "http01",
    preflight: (identifier, signal) => examineHttp(identifier, signal, { resolvers, responder: true }),
    async present({ token, keyAuthorization }, signal) {
      signal.throwIfAborted();
      await challenges.put(checkToken(token), keyAuthorization, now() + EXPIRES_AFTER_MS);
    },
    async cleanUp({ token, keyAuthorization }, signal) {
      signal.throwIfAborted();
      await challenges.remove(checkToken(token), keyAuthorization);
    },
  }),
};
