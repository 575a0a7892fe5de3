import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import type { Identifier } from "../domain/identifier.ts";
import type { IssueRequest, OrderProgress, OrderState } from "../domain/issuer.ts";
import type { Secret } from "../domain/secret.ts";
import { sanitize } from "../domain/text.ts";
import { certId } from "../x509/certId.ts";
import { canonicalIdentifier } from "../x509/leaf.ts";
import { optionalMember, wrongMember } from "./member.ts";
import { hasProblemType, problemOf, validationError } from "./problem.ts";
import type { CertificateAuthority, Reply, Session } from "./session.ts";

const MISSING_ORDERS_MAX = 1_000;

/** Each member is needed in some states only: what needs one that is missing names it. */
const orderSchema = z.object({
  status: z.enum(["pending", "ready", "processing", "valid", "invalid"]),
  identifiers: optionalMember(z.array(z.object({ type: z.string(), value: z.string() })).max(1000)),
  authorizations: optionalMember(z.array(z.string()).max(1000)),
  finalize: optionalMember(z.string()),
  expires: optionalMember(z.string()),
  certificate: optionalMember(z.string()),
  error: z.unknown().optional(),
});

/** RFC 8555 §7.1.3 */
export interface Order extends z.infer<typeof orderSchema> {
  readonly url: string;
  /** The answer it came in, for Retry-After. */
  readonly reply: Reply;
}

export function readOrder(url: string, reply: Reply): Order {
  const parsed = orderSchema.safeParse(reply.data);
  if (!parsed.success)
    throw new RenewalError(
      "acme.server",
      `The CA's answer is not an ACME order (RFC 8555 §7.1.3): ${wrongMember(parsed.error)}.`,
      { cause: parsed.error },
    );
  return { ...parsed.data, url, reply };
}

export async function fetchOrder(session: Session, url: string): Promise<Order> {
  return readOrder(url, await session.post("return the order", url, null));
}

/** A member that this state of the order needs (RFC 8555 §7.1.3). */
export function neededOf<Name extends "authorizations" | "finalize" | "certificate">(
  order: Order,
  name: Name,
): NonNullable<Order[Name]> {
  const value = order[name];
  if (value !== undefined) return value;
  throw new RenewalError(
    "acme.server",
    `The CA's order is ${order.status} but its \`${name}\` is missing or wrong (RFC 8555 §7.1.3).`,
  );
}

export interface OpenedOrder {
  readonly order: Order;
  /** What is stored now: the CSR is null if the order is new and not ready, or the stored one was abandoned. */
  readonly csr: string | null;
  /** The request that a new order was opened with; null: it is an older one. */
  readonly made: string | null;
  readonly resumed: boolean;
  /** The order an earlier attempt left, resumed or abandoned; null: there was none, or the CA forgot it. */
  readonly earlier: Order | null;
}

interface NewOrder {
  readonly privateKey: Secret;
  /** Its certificate signing request. */
  readonly csr: () => Promise<string>;
}

/**
 * The stored order if it can still lead to the certificate, else a new one. Its URL and the key that it is for are
 * durable before the next step.
 */
export async function openOrder(
  ca: CertificateAuthority,
  session: Session,
  request: IssueRequest,
  { privateKey, csr: create }: NewOrder,
  progress: OrderProgress,
): Promise<OpenedOrder> {
  const state = await progress.load();
  let earlier: Order | null = null;
  if (state.orderUrl !== null) {
    const found = await findStored(ca, session, state.orderUrl);
    earlier = typeof found === "string" ? null : found;
    const obstacle = typeof found === "string" ? found : whyUnusable(found, request, state, ca.now());
    if (obstacle === null && typeof found !== "string") {
      await progress.save({}, { type: "order.resumed", detail: { order: found.url, status: found.status } });
      return { order: found, csr: state.csr, made: null, resumed: true, earlier };
    }
    await progress.abandon(obstacle ?? "the order cannot be used");
  }
  // Before the order: nothing comes between its answer and the record of its URL.
  const made = await create();
  const { reply, replaces, refused } = await createOrder(ca, session, request, progress);
  const url = reply.headers.location;
  if (url === undefined || !ca.transport.owns(url)) {
    throw new RenewalError("acme.server", `CA "${ca.issuer}" opened an order without a usable URL (RFC 8555 §7.4).`);
  }
  // An order that is ready is finalized next. Of one that is not, a stored request would say that it may be finalized.
  const csr = orderSchema.safeParse(reply.data).data?.status === "ready" ? made : null;
  await progress.save(
    { privateKey, orderUrl: url, csr },
    { type: "order.created", detail: { order: url, ...(replaces !== null && { replaces }) } },
  );
  // Not before the URL is durable: a crash in between would cost a second order.
  if (refused !== null) await progress.save({}, { type: "order.replacesRefused", detail: refused });
  return { order: readOrder(url, reply), csr, made, resumed: false, earlier };
}

interface CreatedOrder {
  readonly reply: Reply;
  readonly replaces: string | null;
  /** The CA refused `replaces`. */
  readonly refused: { readonly replaces: string; readonly why: string } | null;
}

/** If the CA refuses `replaces`, asks again without it: better no exemption from limits than no certificate. */
async function createOrder(
  ca: CertificateAuthority,
  session: Session,
  request: IssueRequest,
  progress: OrderProgress,
): Promise<CreatedOrder> {
  const payload = {
    identifiers: request.identifiers.map(({ type, value }) => ({ type, value })),
    ...(await profileOf(ca, session, request)),
  };
  const order = (changed: typeof payload & { readonly replaces?: string }): Promise<Reply> =>
    newOrder(session, changed, progress).catch((error: unknown) => throwNamingProfile(error, request));
  const replaces = await replacedId(session, request);
  if (replaces === null) return { reply: await order(payload), replaces, refused: null };
  try {
    return { reply: await order({ ...payload, replaces }), replaces, refused: null };
  } catch (error) {
    if (!(error instanceof RenewalError) || !isPerhapsOfReplaces(error)) throw error;
    // If the CA refuses this order too, the cause was not `replaces`, and this error is the one to report.
    return { reply: await order(payload), replaces: null, refused: { replaces, why: error.message } };
  }
}

/**
 * RFC 9773 §5: 409 alreadyReplaced; malformed or unauthorized where the CA does not know the certificate as this
 * account's. A subproblem that names another cause (RFC 8555 §6.7.1) gives another code.
 */
function isPerhapsOfReplaces(error: RenewalError): boolean {
  if (error.code !== "acme.refused" && error.code !== "acme.account") return false;
  return ["alreadyReplaced", "malformed", "unauthorized"].some((type) => hasProblemType(error, type));
}

/**
 * Our directory is up to an hour old: the CA may have withdrawn the profile, or not offer it to this account or names.
 */
function throwNamingProfile(error: unknown, { profile }: IssueRequest): never {
  if (!(error instanceof RenewalError) || error.code !== "acme.profile" || profile == null) throw error;
  const { cause, retryAt, message } = error;
  throw new RenewalError("acme.profile", `${message}: the certificate's \`profile\` is "${sanitize(profile, 100)}"`, {
    cause,
    ...(retryAt !== null && { retryAt }),
  });
}

/** Reserves the order in the CA's limits first, so that no request is sent that would exceed them. */
async function newOrder(
  session: Session,
  payload: { readonly identifiers: readonly object[]; readonly replaces?: string },
  progress: OrderProgress,
): Promise<Reply> {
  await progress.reserve({ exempt: payload.replaces !== undefined });
  try {
    return await session.createOrder(payload);
  } catch (error) {
    // Only a refusal gives the reservation back; without an answer the order may exist.
    if (problemOf(error) !== null) await progress.unreserve();
    throw error;
  }
}

/** Checked before the order: the CA's refusal would name neither the option nor the profiles on offer. */
async function profileOf(
  ca: CertificateAuthority,
  session: Session,
  { profile }: IssueRequest,
): Promise<{ profile?: string }> {
  if (profile == null) return {};
  const offered = Object.keys((await session.directory()).meta?.profiles ?? {});
  if (offered.includes(profile)) return { profile };
  const list = sanitize(offered.join(", "), 300) || "none at all";
  throw new RenewalError(
    "acme.profile",
    `CA "${ca.issuer}" offers no profile "${sanitize(profile, 100)}"; it offers ${list}.`,
  );
}

/** Only a CA that offers renewalInfo knows `replaces`; others may refuse an unknown member. */
async function replacedId(session: Session, { replaces }: IssueRequest): Promise<string | null> {
  if (replaces == null || (await session.directory()).renewalInfo === undefined) return null;
  return certId(replaces);
}

/** The order, or why it is gone for good; throws a passing trouble. */
async function findStored(
  ca: CertificateAuthority,
  session: Session,
  url: string,
  isSecond = false,
): Promise<Order | string> {
  if (!ca.transport.owns(url)) return "the order belongs to another CA's directory";
  try {
    const order = await fetchOrder(session, url);
    ca.missingOrders.delete(url);
    return order;
  } catch (error) {
    const problem = problemOf(error);
    const isMissing = problem?.status === 404 || problem?.status === 410;
    // A bare 404 may come from something in front of the CA, and an order that is finalized must outlive that: it
    // counts when the next attempt gets it too. Pebble answers so of every order it does not know.
    if (isMissing && problem.type === "about:blank" && !ca.missingOrders.has(url)) {
      if (ca.missingOrders.size >= MISSING_ORDERS_MAX) ca.missingOrders.clear();
      ca.missingOrders.add(url);
      throw error;
    }
    // Boulder answers 404; others say unauthorized if the order's account was forgotten meanwhile.
    if (!isMissing && !problem?.type.endsWith(":unauthorized")) throw error;
    // An order that is finalized must outlive a passing fault of the CA, too.
    return isSecond || problem.type === "about:blank"
      ? "the CA no longer knows the order"
      : findStored(ca, session, url, true);
  }
}

function whyUnusable(order: Order, request: IssueRequest, state: OrderState, now: number): string | null {
  if (order.status === "invalid") return "the CA declared the order invalid";
  if (order.identifiers !== undefined && !sameNames(order.identifiers, request.identifiers))
    return "the order is for other names";
  const finalized = order.status === "processing" || order.status === "valid";
  if (finalized && state.csr === null) return "the order was finalized with a request that is lost";
  if (!finalized && order.expires !== undefined && Date.parse(order.expires) <= now) return "the order expired";
  return null;
}

function sameNames(order: readonly { type: string; value: string }[], requested: readonly Identifier[]): boolean {
  const key = (names: readonly { type: string; value: string }[]): string =>
    [
      ...new Set(
        names.map(
          ({ type, value }) =>
            canonicalIdentifier({ type: type === "ip" ? "ip" : "dns", value: value.toLowerCase() }).value,
        ),
      ),
    ]
      .sort()
      .join(" ");
  return key(order) === key(requested);
}

/** What an invalid order's own error means (RFC 8555 §7.1.3). */
export function orderFailure(ca: CertificateAuthority, order: Order): RenewalError {
  const names = sanitize((order.identifiers ?? []).map(({ value }) => value).join(", "), 200);
  const which = names === "" ? "the order" : `the order for ${names}`;
  return validationError(`CA "${ca.issuer}" declared ${which} invalid`, order.error, "acme.orderInvalid");
}
