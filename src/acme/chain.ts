import { RenewalError } from "../domain/errors.ts";
import type { IssueRequest, OrderProgress } from "../domain/issuer.ts";
import type { Secret } from "../domain/secret.ts";
import { sanitize } from "../domain/text.ts";
import { leadsTo, topIssuerName } from "../x509/chain.ts";
import { type IssuedChain, issuedChains } from "../x509/issued.ts";
import { splitPem } from "../x509/pem.ts";
import { linksOf } from "./links.ts";
import type { CertificateAuthority, Reply, Session } from "./session.ts";

/** Let's Encrypt has offered three at most. */
const ALTERNATES_MAX = 10;

export interface Download {
  readonly ca: CertificateAuthority;
  readonly session: Session;
  readonly request: IssueRequest;
  readonly progress: OrderProgress;
  readonly privateKey: Secret;
  /** URL of the certificate. */
  readonly url: string;
}

/**
 * The chain to the root that the operator prefers, among those that the CA delivers and links as alternates (RFC 8555
 * §7.4.2). Without a match it returns the CA's first valid chain: a certificate with another chain is better than none,
 * and the history says so. Throws `acme.badCertificate` if no chain is valid.
 */
export async function downloadChain(download: Download): Promise<IssuedChain> {
  const { session, request, progress, url } = download;
  const { preferredChain: wanted } = request;
  const reply = await session.post("hand out the certificate", url, null);
  const first = chainsOf(download, reply);
  const offered: IssuedChain[] = [...first.chains];
  const match = (): IssuedChain | undefined =>
    wanted == null ? offered[0] : offered.find(({ leafPem, chainPem }) => leadsTo([leafPem, ...chainPem], wanted));
  for (const alternate of alternatesOf(download, reply)) {
    const found = match();
    if (found !== undefined) return found;
    const next = await session.post("hand out an alternate chain", alternate, null);
    offered.push(...chainsOf(download, next).chains);
  }
  const chosen = match() ?? offered[0];
  // What is wrong with the CA's own chain is worth more than what is wrong with its alternates.
  if (chosen === undefined) throw first.fault;
  if (wanted != null && match() === undefined) {
    const names = [...new Set(offered.map(({ leafPem, chainPem }) => topIssuerName([leafPem, ...chainPem])))];
    const listed = names.map((name) => sanitize(name, 100)).join(", ");
    await progress.save({}, { type: "order.chainUnavailable", detail: { preferred: wanted, offered: listed } });
  }
  return chosen;
}

interface Found {
  readonly chains: readonly IssuedChain[];
  /** Why there is none. */
  readonly fault: RenewalError | null;
}

function chainsOf({ ca, request, privateKey }: Download, { data }: Reply): Found {
  const certificates = splitPem(typeof data === "string" ? data : "");
  if (certificates.length === 0) {
    const fault = new RenewalError("acme.badCertificate", `CA "${ca.issuer}" delivered no certificate.`);
    return { chains: [], fault };
  }
  try {
    const { identifiers } = request;
    return { chains: issuedChains({ certificates, privateKey, identifiers, now: ca.now() }), fault: null };
  } catch (error) {
    if (!(error instanceof RenewalError)) throw error;
    return { chains: [], fault: error };
  }
}

function alternatesOf({ ca, url }: Download, { headers }: Reply): string[] {
  return linksOf(headers, "alternate")
    .slice(0, ALTERNATES_MAX)
    .filter((link) => URL.canParse(link, url))
    .map((link) => new URL(link, url).href)
    .filter((link) => ca.transport.owns(link));
}
