import { z } from "zod";
import { checkToken } from "../domain/challengeToken.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Solver } from "../domain/issuer.ts";
import { late } from "../domain/late.ts";
import type { Plugin } from "../domain/plugin.ts";
import { HOUR_MS, SECOND_MS } from "../domain/time.ts";
import { tlsAlpnPlace } from "../domain/tlsAlpn.ts";
import { resolversOption } from "./dns/options.ts";
import type { SolverDependencies } from "./http01.ts";

/** Longer than any CA validates. An answer that a crash left behind expires by itself. */
const EXPIRES_AFTER_MS = HOUR_MS;
const BUSY_MS = 5 * SECOND_MS;

const options = z.strictObject({ resolvers: resolversOption });
const examineTls = late(async () => (await import("./httpReachability.ts")).examineTls);

/**
 * Answers through renewd's own listener (RFC 8737): any process that runs one serves any worker's challenge. A name has
 * one answer at a time, since the CA's connection says which name it validates, and not for which order.
 */
export const tlsAlpn01: Plugin<z.infer<typeof options>, Pick<SolverDependencies, "challenges" | "now">, Solver> = {
  type: "tls-alpn-01",
  challengeType: "tls-alpn-01",
  needsResponder: "tlsAlpn01",
  description: "Answers tls-alpn-01 challenges through renewd's own listener on port 443; port 80 is not needed.",
  options,
  create: ({ resolvers }, { challenges, now }) => ({
    challengeType: "tls-alpn-01",
    needsResponder: "tlsAlpn01",
    preflight: (identifier, signal) => examineTls(identifier, signal, { resolvers }),
    async present({ identifier, token, keyAuthorization }, signal) {
      signal.throwIfAborted();
      checkToken(token);
      const isOurs = await challenges.claim(tlsAlpnPlace(identifier), keyAuthorization, now() + EXPIRES_AFTER_MS);
      if (!isOurs)
        throw new RenewalError("dns.busy", `Another order validates ${identifier.value} by tls-alpn-01 just now.`, {
          retryAt: now() + BUSY_MS,
        });
    },
    async cleanUp({ identifier, token, keyAuthorization }, signal) {
      signal.throwIfAborted();
      checkToken(token);
      await challenges.remove(tlsAlpnPlace(identifier), keyAuthorization);
    },
  }),
};
