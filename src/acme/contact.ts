import { createHash } from "node:crypto";
import type { Accounts } from "../domain/issuer.ts";
import { hasProblemType } from "./problem.ts";
import type { CertificateAuthority, Session } from "./session.ts";

const REFUSED = "refused ";

export function contactDigest(contact: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(contact)).digest("hex");
}

/**
 * Sends the CA a contact that changed in the configuration, once. After a refusal the CA is not asked again until the
 * contact changes. A mail address stops no renewal: `renewd account contact` shows the refusal.
 */
export async function syncContact(
  ca: CertificateAuthority,
  accounts: Accounts,
  {
    session,
    url,
    contact,
    known,
  }: {
    readonly session: Session;
    readonly url: string;
    readonly contact: readonly string[];
    readonly known: string | null;
  },
): Promise<void> {
  const digest = contactDigest(contact);
  if (known === digest || known === REFUSED + digest) return;
  try {
    await session.post("update the account's contact", url, { contact });
    await accounts.setContactDigest(ca.issuer, ca.directoryUrl, digest);
  } catch (error) {
    if (!["invalidContact", "unsupportedContact"].some((type) => hasProblemType(error, type))) throw error;
    await accounts.setContactDigest(ca.issuer, ca.directoryUrl, REFUSED + digest);
  }
}
