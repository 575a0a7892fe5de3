import { X509Certificate } from "node:crypto";
import { RenewalError } from "../domain/errors.ts";
import type { ErrorCode } from "../domain/errorTable.ts";
import { REVOCATION_REASONS, type RevocationRequest } from "../domain/issuer.ts";
import type { OpenAccount } from "./account.ts";
import { hasProblemType } from "./problem.ts";
import { type CertificateAuthority, openSession, type Session } from "./session.ts";

/**
 * No account can be used now. `unauthorized` in a request's answer means the account too; a limit may be the one on
 * new accounts.
 */
const WITHOUT_ACCOUNT: readonly ErrorCode[] = ["acme.account", "acme.userAction", "acme.rateLimited"];

/**
 * RFC 8555 §7.6: signed by the account that ordered it. Without a usable account the certificate's own key signs:
 * refused terms or a refused binding must not keep a compromised key valid. Returns whose key signed. Already revoked
 * is success.
 */
export async function revokeCertificate(
  ca: CertificateAuthority,
  openAccount: () => Promise<Pick<OpenAccount, "url" | "privateKey">>,
  { leafPem, privateKey, reason }: RevocationRequest,
  signal: AbortSignal,
): Promise<"account" | "certificate"> {
  const { revokeCert } = await ca.directory(signal);
  if (revokeCert === undefined)
    throw new RenewalError("acme.refused", `CA "${ca.issuer}" offers no revocation in its directory.`);
  const payload = {
    certificate: new X509Certificate(leafPem).raw.toString("base64url"),
    reason: REVOCATION_REASONS[reason],
  };
  try {
    const account = await openAccount();
    await ask(ca, openSession(ca, account.privateKey, account.url, signal), revokeCert, payload);
    return "account";
  } catch (error) {
    if (!(error instanceof RenewalError) || !WITHOUT_ACCOUNT.includes(error.code)) throw error;
  }
  await ask(ca, openSession(ca, privateKey, null, signal), revokeCert, payload);
  return "certificate";
}

async function ask(ca: CertificateAuthority, session: Session, url: string, payload: object): Promise<void> {
  try {
    const { data } = await session.post("revoke the certificate", url, payload);
    if (typeof data !== "string" || data.trim() === "") return;
  } catch (error) {
    if (hasProblemType(error, "alreadyRevoked")) return;
    throw error;
  }
  // A page at a URL that moved has status 200, too. A CA that has revoked says so when it is asked again.
  ca.forgetDirectory();
  throw new RenewalError(
    "acme.server",
    `CA "${ca.issuer}" answered a revocation with a page: nothing says it is done.`,
  );
}
