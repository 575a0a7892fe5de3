import { RenewalError } from "../domain/errors.ts";
import type { IssueRequest, OrderProgress } from "../domain/issuer.ts";
import { sanitize } from "../domain/text.ts";
import { leadsTo, topIssuerName } from "../x509/chain.ts";
import { splitPem } from "../x509/pem.ts";
import type { CertificateAuthority, Reply, Session } from "./session.ts";

/** Let's Encrypt has offered three at most. */
const ALTERNATES_MAX = 10;

export interface ChainChoice {
  readonly ca: CertificateAuthority;
  readonly session: Session;
  readonly request: IssueRequest;
  readonly progress: OrderProgress;
  /** The CA's first chain, leaf first, and the answer it came in. */
  readonly first: readonly string[];
  readonly reply: Reply;
  /** Throws `acme.badCertificate` when a chain must not be used. */
  readonly check: (pem: readonly string[]) => unknown;
}

/**
 * The chain to the root the operator prefers, among those the CA links as alternates (RFC 8555 §7.4.2). Without a match
 * it returns the CA's first chain: a certificate with another chain is better than none, and the history says so.
 */
export async function preferredChain({
  ca,
  session,
  request,
  progress,
  first,
  reply,
  check,
}: ChainChoice): Promise<readonly string[]> {
  const { preferredChain: wanted } = request;
  if (wanted == null || leadsTo(first, wanted)) return first;
  const offered = [topIssuerName(first)];
  for (const url of alternatesOf(reply).slice(0, ALTERNATES_MAX)) {
    if (!ca.transport.owns(url)) continue;
    const { data } = await session.post("hand out an alternate chain", url, null);
    const chain = splitPem(typeof data === "string" ? data : "");
    if (!isGood(chain, check)) continue;
    if (leadsTo(chain, wanted)) return chain;
    offered.push(topIssuerName(chain));
  }
  const names = offered.map((name) => sanitize(name, 100)).join(", ");
  await progress.save({}, { type: "order.chainUnavailable", detail: { preferred: wanted, offered: names } });
  return first;
}

function isGood(chain: readonly string[], check: ChainChoice["check"]): boolean {
  if (chain.length === 0) return false;
  try {
    check(chain);
    return true;
  } catch (error) {
    if (error instanceof RenewalError) return false;
    throw error;
  }
}

/** `Link: <https://ca/cert/1/1>;rel="alternate"`, several of them joined by commas (RFC 8288 §3). */
function alternatesOf({ headers }: Reply): string[] {
  const links = [headers.link ?? []].flat().join(", ");
  return [...links.matchAll(/<([^<>]{1,2000})>\s*;[^,<]*?\brel="?alternate"?/g)].map(([, url = ""]) => url);
}
