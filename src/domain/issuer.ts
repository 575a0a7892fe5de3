import type { KeyType } from "./certificate.ts";
import type { StandingAccount, StandingName, StandingVerdict } from "./dnsPersist.ts";
import type { DnsAnswers } from "./dnsRecord.ts";
import type { CredentialEnd } from "./horizon.ts";
import type { Identifier } from "./identifier.ts";
import type { RenewalInfo } from "./renewalInfo.ts";
import type { Secret } from "./secret.ts";
import type { Leaf } from "./version.ts";

export interface IssueRequest {
  readonly certificate: string;
  /** Left out: none, as in a rehearsal. */
  readonly renewalId?: string | null;
  readonly identifiers: readonly Identifier[];
  readonly keyType: KeyType;
  /** PEM of the certificate this order replaces (RFC 9773 §5); not said to a CA without renewalInfo. */
  readonly replaces?: string | null;
  /** Profile of the CA (draft-ietf-acme-profiles); `acme.profile` when its directory does not name it. */
  readonly profile?: string | null;
  /** Common name or SHA-256 fingerprint of the root the chain should lead to. */
  readonly preferredChain?: string | null;
  /** Certify this key of the right type instead of a new one. */
  readonly privateKey?: Secret | null;
  /** A rehearsal: the authorizations are deactivated afterwards, so that the CA validates the next order again. */
  readonly disposable?: boolean;
  /**
   * Reads the request to finalize with, where renewd does not make it. Throws `acme.ownCsr`. The issuer checks what it
   * gets before anything is sent; it does not ask where an earlier attempt has saved request and key.
   */
  readonly ownCsr?: (() => Promise<OwnCsr>) | null;
  /** Keys that others may have: an own request for one of them MUST be refused. */
  readonly compromisedKeys?: readonly Secret[];
}

/** A certificate signing request made elsewhere and the key it should belong to, both as found. */
export interface OwnCsr {
  /** PEM or DER. */
  readonly request: Uint8Array;
  readonly privateKey: Secret;
}

/** What a crashed attempt left behind; each was durable before the next step began. */
export interface OrderState {
  /** PKCS#8 PEM of the certificate's new key. */
  readonly privateKey: Secret | null;
  readonly orderUrl: string | null;
  /** DER in base64url, as sent to finalize (RFC 8555 §7.4). */
  readonly csr: string | null;
}

/**
 * How an issuer makes its progress durable. Every method resolves only when committed, and throws
 * `lease.lost` when another worker has taken over: the issuer MUST then stop at once.
 */
export interface OrderProgress {
  load(): Promise<OrderState>;
  /** `order.created`, `order.resumed`, `challenge.presented` … go to the history with their detail. */
  save(state: Partial<OrderState>, event?: OrderEvent): Promise<void>;
  /** Goes to the history with what is saved next, at the latest with the outcome. Nothing may depend on it. */
  note(event: OrderEvent): void;
  /** The CA forgot or invalidated the order: forget its URL and CSR, keep the key. */
  abandon(why: string): Promise<void>;
  /**
   * MUST be called right before each newOrder. Takes what the order draws on the CA's limits; throws `acme.budget` when
   * there is too little left, and then nothing may be sent. `exempt`: the CA counts this order against none (ARI
   * `replaces`).
   */
  reserve(order: { readonly exempt: boolean }): Promise<void>;
  /** The CA refused newOrder: the reservation for the certificate is refunded. */
  unreserve(): Promise<void>;
}

export interface OrderEvent {
  readonly type:
    | "account.replaced"
    | "order.created"
    | "order.replacesRefused"
    | "order.resumed"
    | "challenge.presented"
    | "challenge.waiting"
    | "challenge.unconfirmed"
    | "challenge.failed"
    | "challenge.cleanUpFailed"
    | "order.chainUnavailable"
    | "order.csrDiscarded"
    | "order.finalized";
  readonly detail: Readonly<Record<string, string | number | readonly string[]>>;
}

/** The answer of a CA, already checked: key matches, every name present, chain whole and in order, valid now. */
export interface IssueResult {
  readonly leaf: Leaf;
  readonly leafPem: string;
  readonly chainPem: readonly string[];
  readonly privateKey: Secret;
}

/** CRLReason codes (RFC 5280 §5.3.1) that a subscriber may give. */
export const REVOCATION_REASONS = {
  unspecified: 0,
  keyCompromise: 1,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
} as const;
export type RevocationReason = keyof typeof REVOCATION_REASONS;

export interface RevocationRequest {
  readonly leafPem: string;
  /** The certificate's own. */
  readonly privateKey: Secret;
  readonly reason: RevocationReason;
}

export interface Eligibility {
  /** null: none known. */
  readonly obstacle: string | null;
  /** The obstacle is a CAA record, which every CA has to obey. */
  readonly isCaa?: boolean;
  /** What could not be found out, such as a CAA record that no server returned. */
  readonly notes: readonly string[];
  /** What CAA records say about each name, as far as they were looked up. */
  readonly caa?: readonly { readonly identifier: string; readonly text: string }[];
}

/** An ACME CA with an account (RFC 8555). */
export interface Issuer {
  /** Idempotent over `progress`: resumes the stored order and never opens a second one while the first can be used. */
  issue(
    request: IssueRequest,
    progress: OrderProgress,
    solvers: readonly NamedSolver[],
    signal: AbortSignal,
  ): Promise<IssueResult>;
  /**
   * The stored order is abandoned: removes the answers that an attempt left because its order might have gone
   * on. Idempotent; orders and registers nothing. Throws what kept it from doing so.
   */
  clearAnswers?(progress: OrderProgress, solvers: readonly NamedSolver[], signal: AbortSignal): Promise<void>;
  /** Idempotent. Returns whose key the CA accepted. */
  revoke?(request: RevocationRequest, signal: AbortSignal): Promise<"account" | "certificate">;
  /** What keeps this CA from fulfilling the request, as far as can be known without an order. */
  eligibility?(request: IssueRequest, solvers: readonly NamedSolver[], signal: AbortSignal): Promise<Eligibility>;
  /** Reads the directory again. Throws what would keep an order from beginning with it. */
  readDirectory?(signal: AbortSignal): Promise<void>;
  /** Whom a dns-persist-01 record has to name; null: no account yet, or the CA does not say by which domains it goes. */
  standing?(signal: AbortSignal): Promise<StandingAccount | null>;
  /**
   * How far the CA's clock is ahead of ours in ms, by the Date header of its directory (RFC 9110 §6.6.1); null: it
   * sends none, or one from a cache.
   */
  clockAheadMs?(signal: AbortSignal): Promise<number | null>;
  /**
   * When the CA wants this certificate renewed (RFC 9773); null: it offers no renewalInfo. Throws `acme.renewalInfo`
   * when the answer makes no sense; any error's `retryAt` says when to ask again if the CA did.
   */
  renewalInfo?(leafPem: string, signal: AbortSignal): Promise<RenewalInfo | null>;
}

/** One challenge to answer. */
export interface ChallengeResponse {
  readonly identifier: Identifier;
  /** "" for dns-persist-01, which has none. */
  readonly token: string;
  /** token "." base64url(SHA-256(account JWK thumbprint)) (RFC 8555 §8.1). */
  readonly keyAuthorization: string;
  /** What it is for, for people and for cleaning up; null: a rehearsal, or unknown. */
  readonly certificate?: string | null;
  readonly renewalId?: string | null;
  /** For dns-persist-01 only: whom the record has to name, and whether the name is a wildcard's. */
  readonly standing?: { readonly account: StandingAccount; readonly wildcard: boolean };
}

/** A responder of renewd, by its section of the configuration. */
export type ResponderName = "http01" | "tlsAlpn01";

export interface Solver {
  /** ACME challenge type such as `http-01`. */
  readonly challengeType: string;
  /** The responder of renewd that it answers through. Default: none. */
  readonly needsResponder?: ResponderName;
  /**
   * MUST be idempotent and quick. Throws `dns.busy` when the place can hold no other answer now: the caller then
   * finishes what it has presented, or comes back later.
   */
  present(challenge: ChallengeResponse, signal: AbortSignal): Promise<void>;
  /** MUST be idempotent and remove only its own value. */
  cleanUp(challenge: ChallengeResponse, signal: AbortSignal): Promise<void>;
  /** Whether the CA is expected to see the answer. MUST check once and not wait. Left out: it sees it at once. */
  readiness?(challenge: ChallengeResponse, signal: AbortSignal): Promise<Readiness>;
  /**
   * Whether its provider holds the zone of the name, or of what the challenge's name is an alias of; true when that
   * cannot be found out. Left out: it can answer for any name.
   */
  owns?(identifier: Identifier, signal: AbortSignal): Promise<boolean>;
  /** What may keep the CA from validating the name, found without publishing anything. */
  preflight?(identifier: Identifier, signal: AbortSignal): Promise<readonly Concern[]>;
  /** As of a deployer. */
  readonly credentials?: (signal: AbortSignal) => Promise<readonly CredentialEnd[]>;
  /** Solvers that publish in DNS. */
  readonly dns?: DnsAnswers;
  /**
   * Solvers whose answer people create once, for every order (dns-persist-01): they present and remove nothing. Says
   * what the CA finds for the name at every authoritative server.
   */
  standing?(name: StandingName, account: StandingAccount, signal: AbortSignal): Promise<StandingVerdict>;
}

export type Readiness =
  /** `note`: what could not be found out. */
  | { readonly ready: true; readonly note: string | null }
  /** Checking again before `retryAt` is useless. */
  | { readonly ready: false; readonly why: string; readonly retryAt: number };

/** Something found before an order. `fatal`: the order cannot succeed. */
export interface Concern {
  readonly check: string;
  readonly message: string;
  readonly fatal: boolean;
}

/** One of a certificate's solvers, in order of preference. */
export interface NamedSolver {
  readonly name: string;
  /** It answers for names in these zones only; empty: for all. */
  readonly zones: readonly string[];
  readonly solver: Solver;
}

/** Shared by all processes, so that any responder can answer for any ACME worker. */
export interface ChallengeResponses {
  put(token: string, keyAuthorization: string, expiresAt: number): Promise<void>;
  /**
   * For places that hold one answer (`tlsAlpnPlace`): as `put`, unless another answer is there. Returns whether this
   * one is. Atomic over processes.
   */
  claim(place: string, keyAuthorization: string, expiresAt: number): Promise<boolean>;
  get(token: string): Promise<string | null>;
  /** Removes this answer, not another one in its place. */
  remove(token: string, keyAuthorization: string): Promise<void>;
}

/** The ACME account of an issuer; its key is sealed at rest. */
export interface Account {
  readonly url: string | null;
  readonly privateKey: Secret;
  /** The key of a rollover whose end was not recorded: the CA may know it or not. */
  readonly pendingKey: Secret | null;
  /** Digest of the contact that the CA has; null: unknown. */
  readonly contactDigest: string | null;
}

/**
 * Keyed by issuer name and directory URL. `create` is atomic over processes: the first writer wins, all get its key.
 */
export interface Accounts {
  get(issuer: string, directory: string): Promise<Account | null>;
  create(issuer: string, directory: string, privateKey: Secret): Promise<Account>;
  /**
   * The issuer may have been renamed: without an account there it gets the one of the name that is not `configured` any
   * more, if there is exactly one, with all that the database knows of it by that name. Returns that name; null:
   * nothing changed.
   */
  follow(issuer: string, directory: string, configured: readonly string[]): Promise<string | null>;
  setUrl(issuer: string, directory: string, url: string | null): Promise<void>;
  setPendingKey(issuer: string, directory: string, key: Secret): Promise<void>;
  /** The pending key becomes the account's; without one nothing happens. */
  promotePendingKey(issuer: string, directory: string): Promise<void>;
  setContactDigest(issuer: string, directory: string, digest: string): Promise<void>;
  remove(issuer: string, directory: string): Promise<void>;
}
