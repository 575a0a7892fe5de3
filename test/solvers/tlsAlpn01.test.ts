import { createHash } from "node:crypto";
import { ACME_TLS, tlsAlpnPlace } from "../../src/domain/tlsAlpn.ts";
import { tlsAlpn01 } from "../../src/solvers/tlsAlpn01.ts";
import { startTlsAlpn01Responder } from "../../src/web/tlsAlpn01.ts";
import { EXTENSION, extensionOf } from "../../src/x509/extension.ts";
import { describeSolver } from "../conformance/solver.ts";
import { memoryChallenges } from "../support/model/orderMemory.ts";
import { shakeHands } from "../support/tlsAlpn.ts";

const digestOf = (keyAuthorization: string): string => createHash("sha256").update(keyAuthorization).digest("hex");

/** What the suite puts there. */
const FOREIGN = "somebody else's";

describeSolver("tls-alpn-01", async () => {
  const challenges = memoryChallenges();
  const responder = await startTlsAlpn01Responder({ host: "127.0.0.1", port: 0, challenges, now: Date.now });
  return {
    solver: tlsAlpn01.create({}, { challenges, now: Date.now }),
    async published({ identifier }) {
      const found = await shakeHands({ port: responder.port, serverName: identifier.value }).catch(() => null);
      if (found?.protocol !== ACME_TLS) return null;
      const value = extensionOf(found.certificate.raw, EXTENSION.acmeIdentifier);
      const digest = Buffer.from(value ?? [])
        .subarray(2)
        .toString("hex");
      return digest === digestOf(FOREIGN) ? FOREIGN : digest;
    },
    expected: ({ keyAuthorization }) => digestOf(keyAuthorization),
    onePerName: true,
    occupy: ({ identifier }, value) => challenges.put(tlsAlpnPlace(identifier), value, Date.now() + 1000),
    [Symbol.asyncDispose]: () => responder.close(),
  };
});
