import { once } from "node:events";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { ACME_TLS, INSTALLATION_NAME } from "../domain/tlsAlpn.ts";

const IDENTITY_CHARACTERS_MAX = 64;

/**
 * Which installation a tls-alpn-01 responder is of; "": another program, or one that refuses. Rejects when nobody
 * listens.
 */
export async function askInstallation(
  { host, port }: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<string> {
  const plain = connect({ host, port });
  try {
    await once(plain, "connect", { signal });
    // It is asked who it is, not believed.
    const secure = connectTls({
      socket: plain,
      servername: INSTALLATION_NAME,
      ALPNProtocols: [ACME_TLS],
      rejectUnauthorized: false,
    });
    // What comes after the answer matters no more.
    for (const socket of [plain, secure]) socket.on("error", () => {});
    // From here on somebody listens: a refusal is an answer.
    const isThere = await once(secure, "secureConnect", { signal }).then(
      () => true,
      () => false,
    );
    signal.throwIfAborted();
    const [, identity = ""] = isThere
      ? (new RegExp(`^DNS:([^,]{1,${IDENTITY_CHARACTERS_MAX}})\\.${RegExp.escape(INSTALLATION_NAME)}$`).exec(
          secure.getPeerCertificate().subjectaltname ?? "",
        ) ?? [])
      : [];
    return identity;
  } finally {
    plain.destroy();
  }
}
