import { ISSUER_DOMAIN_NAME, ISSUER_DOMAIN_NAMES_MAX, type StandingAccount } from "../domain/dnsPersist.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Challenge } from "./authorizationObject.ts";
import type { Directory } from "./directory.ts";

/** Nothing that ends an issue-value's parameter, as a record is made of it. */
const PREFIX = /^https:\/\/[\x21-\x3a\x3c-\x7e]+$/;

type KnownAccount = Pick<StandingAccount, "accountUrl" | "keyThumbprint">;

/** Whom a record has to name for this challenge. Throws `acme.server` when challenge and directory do not agree. */
export function standingOfChallenge(
  { meta }: Directory,
  { issuerDomainNames, accountUri, isHashed }: NonNullable<Challenge["standing"]>,
  account: KnownAccount,
): StandingAccount {
  if (!isHashed)
    return { ...account, issuerDomainNames, accountUrl: accountUri ?? account.accountUrl, accountHashPrefix: null };
  const advertised = domainsOf(meta?.issuerDomainNames);
  const identities = domainsOf(meta?.caaIdentities?.map((name) => name.toLowerCase().replace(/\.$/, "")));
  if (advertised?.some((name) => !issuerDomainNames.includes(name)))
    refuse("lacks a name that its directory's `issuerDomainNames` has");
  if (identities !== null && issuerDomainNames.some((name) => !identities.includes(name)))
    refuse("names a domain that its directory's `caaIdentities` lacks");
  const accountHashPrefix = prefixOf(meta?.accountHashPrefix);
  if (accountHashPrefix === null) return refuse("needs `accountHashPrefix` in the directory, which has no usable one");
  return { ...account, issuerDomainNames, accountHashPrefix };
}

/**
 * The same without an order (§4.5): what the directory says. A CA of an earlier draft says no names there and is known
 * to take those of its `caaIdentities`. null: it says neither.
 */
export function standingOfDirectory({ meta }: Directory, account: KnownAccount): StandingAccount | null {
  const accountHashPrefix = prefixOf(meta?.accountHashPrefix);
  const issuerDomainNames = domainsOf(meta?.issuerDomainNames) ?? domainsOf(meta?.caaIdentities);
  return issuerDomainNames === null ? null : { ...account, issuerDomainNames, accountHashPrefix };
}

/** null: not as the draft wants them, so of no use. */
function domainsOf(names: readonly string[] | undefined): readonly string[] | null {
  if (names === undefined || names.length === 0 || names.length > ISSUER_DOMAIN_NAMES_MAX) return null;
  return names.every((name) => ISSUER_DOMAIN_NAME.test(name)) ? names : null;
}

function prefixOf(prefix: string | undefined): string | null {
  return prefix !== undefined && PREFIX.test(prefix) ? prefix : null;
}

function refuse(why: string): never {
  throw new RenewalError(
    "acme.server",
    `The CA's dns-persist-01 challenge cannot be used (draft-ietf-acme-dns-persist-02 §3.2): it ${why}.`,
  );
}
