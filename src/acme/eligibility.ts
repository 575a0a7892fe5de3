import type { KeyType } from "../domain/certificate.ts";
import type { Identifier } from "../domain/identifier.ts";
import type { Eligibility, IssueRequest } from "../domain/issuer.ts";
import { sanitize } from "../domain/text.ts";
import { type CaaLookup, checkCaa, type Subscriber } from "./caa.ts";
import type { CertificateAuthority } from "./session.ts";

export interface Capabilities {
  /** null: not known to lack any. */
  readonly keyTypes: readonly KeyType[] | null;
  readonly identifierTypes: readonly Identifier["type"][] | null;
}

/** What is known about a CA without opening an order, cheapest check first. */
export async function eligibilityOf(
  ca: CertificateAuthority,
  { keyTypes, identifierTypes }: Capabilities,
  { keyType, identifiers, profile }: IssueRequest,
  caa: Omit<Subscriber, "identities"> & { readonly lookup: CaaLookup },
  signal: AbortSignal,
): Promise<Eligibility> {
  const no = (obstacle: string): Eligibility => ({ obstacle, notes: [] });
  if (keyTypes !== null && !keyTypes.includes(keyType)) return no(`it certifies no ${keyType} keys`);
  const foreign = identifiers.find(({ type }) => identifierTypes !== null && !identifierTypes.includes(type));
  if (foreign !== undefined)
    return no(`it certifies no ${foreign.type === "ip" ? "IP addresses" : "DNS names"} such as ${foreign.value}`);
  const { meta } = await ca.directory(signal);
  if (meta?.externalAccountRequired && ca.externalAccount === null)
    return no("it needs an external account binding, and none is configured");
  const profiles = Object.keys(meta?.profiles ?? {});
  if (profile != null && !profiles.includes(profile)) {
    return no(
      `it offers no profile "${sanitize(profile, 100)}", only ${sanitize(profiles.join(", "), 300) || "none at all"}`,
    );
  }
  const identities = (meta?.caaIdentities ?? []).map((identity) => sanitize(identity, 253));
  if (identities.length === 0)
    return { obstacle: null, notes: ["it does not say by which name CAA records permit it"] };
  const { forbidden, unknown, found } = await checkCaa(identifiers, { ...caa, identities }, caa.lookup, signal);
  return {
    obstacle: forbidden,
    ...(forbidden !== null && { isCaa: true }),
    notes: unknown === null ? [] : [unknown],
    caa: found,
  };
}
