import { createHash } from "node:crypto";
import type { Identifier } from "./identifier.ts";
import { parseIssueValue } from "./issueValue.ts";
import { sanitize } from "./text.ts";
import { DAY_MS } from "./time.ts";

/** Challenge type of draft-ietf-acme-dns-persist: the CA looks for a record that stays, so there is no token. */
export const DNS_PERSIST = "dns-persist-01";
export const PERSIST_LABEL = "_validation-persist";
/** Of a CA: A-labels in lower case without a final dot, at most ten of them (draft -02 §3.1). */
export const ISSUER_DOMAIN_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
export const ISSUER_DOMAIN_NAMES_MAX = 10;

/** A record that ends before the next renewals is worth a word. */
const ENDS_SOON_MS = 30 * DAY_MS;

/** Whom a record has to name. */
export interface StandingAccount {
  /** Domains that the CA goes by in the record; any one does. */
  readonly issuerDomainNames: readonly string[];
  readonly accountUrl: string;
  /** RFC 7638, of the account's key. */
  readonly keyThumbprint: string;
  /**
   * What the hash of the account is appended to (draft -02 §4.1). null: a CA of draft -00 or -01, whose records name
   * the account's URL.
   */
  readonly accountHashPrefix: string | null;
}

/** A name that a record is for. */
export interface StandingName {
  /** Without `*.`, in A-labels. */
  readonly domain: string;
  readonly wildcard: boolean;
}

export function standingName({ value }: Identifier): StandingName {
  return { domain: value.replace(/^\*\./, ""), wildcard: value.startsWith("*.") };
}

export type StandingVerdict =
  /** `until`: seconds since epoch, after which the CA no longer takes the record; null: no end. */
  | { readonly kind: "valid"; readonly until: number | null; readonly endsSoon: boolean }
  /** The CA may accept what is there: not all that it knows can be known here. */
  | { readonly kind: "unknown"; readonly why: string }
  | { readonly kind: "missing"; readonly why: string }
  | { readonly kind: "wrong"; readonly why: string };

/** The `accounturi` of records for this domain; `*`: of records for any (draft -02 §4.1). */
export function accountUri(
  { accountUrl, keyThumbprint, accountHashPrefix }: Omit<StandingAccount, "issuerDomainNames">,
  domain: string,
): string {
  if (accountHashPrefix === null) return accountUrl;
  const length = Buffer.from([Buffer.byteLength(domain)]);
  const digest = createHash("sha256").update(length).update(domain).update(keyThumbprint).update(accountUrl);
  return `${accountHashPrefix}sha-256/${digest.digest("base64url")}`;
}

/** `until`: seconds since epoch; null: no end. */
export function persistValue(
  account: StandingAccount,
  { domain, wildcard }: StandingName,
  until: number | null = null,
): string {
  const parts = [account.issuerDomainNames[0] ?? "", `accounturi=${accountUri(account, domain)}`];
  if (wildcard) parts.push("policy=wildcard");
  if (until !== null) parts.push(`persistUntil=${until}`);
  return parts.join("; ");
}

/** Octets of one string of a TXT record (RFC 1035 §3.3). */
const STRING_OCTETS_MAX = 255;

/** The record as a line of a zone file. */
export function persistRecordLine(account: StandingAccount, name: StandingName, until: number | null = null): string {
  const value = persistValue(account, name, until);
  const strings: string[] = [];
  for (let from = 0; from < value.length; from += STRING_OCTETS_MAX)
    strings.push(`"${value.slice(from, from + STRING_OCTETS_MAX)}"`);
  const data = strings.length === 1 ? strings.join() : `(${strings.join(" ")})`;
  return `${PERSIST_LABEL}.${name.domain}. IN TXT ${data}`;
}

const RANK = { valid: 0, unknown: 1, wrong: 2, missing: 3 } as const satisfies Record<StandingVerdict["kind"], number>;

/** What the CA makes of the TXT values at one name: one good record is enough. `now`: ms since epoch. */
export function judgePersist(
  values: readonly string[],
  account: StandingAccount,
  name: StandingName,
  now: number,
): StandingVerdict {
  const verdicts = values.flatMap((value) => judgeOne(value, account, name, now) ?? []);
  const none: StandingVerdict = {
    kind: "missing",
    why:
      values.length === 0
        ? "has no TXT record there"
        : `has no TXT record there that begins with ${account.issuerDomainNames.join(" or ")}`,
  };
  return verdicts.reduce((best, each) => (better(each, best) ? each : best), none);
}

function better(one: StandingVerdict, other: StandingVerdict): boolean {
  if (one.kind === "valid" && other.kind === "valid")
    return (one.until ?? Number.POSITIVE_INFINITY) > (other.until ?? Number.POSITIVE_INFINITY);
  return RANK[one.kind] < RANK[other.kind];
}

/** null: it is for another CA, or no such record at all. */
function judgeOne(
  text: string,
  account: StandingAccount,
  { domain, wildcard }: StandingName,
  now: number,
): StandingVerdict | null {
  const { domain: issuer, parameters } = parseIssueValue(text);
  if (!account.issuerDomainNames.includes(issuer)) return null;
  const wrong = (why: string): StandingVerdict => ({ kind: "wrong", why });
  if (parameters === null) return wrong(`has a record that is malformed: ${sanitize(text, 200)}`);
  const tags = parameters.map(([tag]) => tag);
  const twice = tags.find((tag, i) => tags.indexOf(tag) !== i);
  if (twice !== undefined) return wrong(`has a record that says ${sanitize(twice, 50)} twice`);
  const textOf = (tag: string): string | undefined => parameters.find(([each]) => each === tag)?.[1];
  const persistUntil = textOf("persistuntil");
  if (persistUntil !== undefined && !/^\d{1,15}$/.test(persistUntil))
    return wrong("has a record whose persistUntil is no whole number of seconds");
  const until = persistUntil === undefined ? null : Number(persistUntil);
  if (until !== null && until * 1_000 < now)
    return wrong(`has a record that ended at ${new Date(until * 1_000).toISOString()}`);
  if (wildcard && textOf("policy")?.toLowerCase() !== "wildcard")
    return wrong("has a record without policy=wildcard, which a wildcard needs");
  const trouble = judgeAccount(textOf("accounturi"), account, domain);
  if (trouble !== null) return trouble;
  // RFC 8659 §4.2 ends with a parameter; some CAs overlook the rest and some do not.
  if (/;\s*$/.test(text)) return { kind: "unknown", why: "has a record that ends with a semicolon" };
  return { kind: "valid", until, endsSoon: until !== null && until * 1_000 < now + ENDS_SOON_MS };
}

/** null: it names our account. */
function judgeAccount(found: string | undefined, account: StandingAccount, domain: string): StandingVerdict | null {
  const wrong = (why: string): StandingVerdict => ({ kind: "wrong", why });
  if (found === undefined) return wrong("has a record without accounturi");
  if (found === accountUri(account, domain)) return null;
  const shown = sanitize(found, 300);
  if (account.accountHashPrefix === null)
    return wrong(`has a record for account ${shown}, not for ${account.accountUrl}`);
  if (found === accountUri(account, "*")) return null;
  if (!found.startsWith(account.accountHashPrefix))
    return wrong(`has a record whose accounturi ${shown} is not below ${account.accountHashPrefix}`);
  // A CA remembers an account's earlier keys; here only the current one is known.
  return { kind: "unknown", why: `has a record for another account, or for an earlier key of ours: ${shown}` };
}
