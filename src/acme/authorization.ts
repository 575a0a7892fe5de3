import { RenewalError } from "../domain/errors.ts";
import type { ChallengeResponse, IssueRequest, NamedSolver, OrderProgress, Solver } from "../domain/issuer.ts";
import { sanitize } from "../domain/text.ts";
import {
  type Challenge,
  isAskedFor,
  offeredError,
  readAuthorization,
  readChallengeState,
} from "./authorizationObject.ts";
import { cleanUp, clearAbandonedAnswers, solving } from "./clearAnswers.ts";
import { type Deadline, pollUntil } from "./poll.ts";
import { problemOf, validationError } from "./problem.ts";
import { awaitReadiness } from "./readiness.ts";
import type { Reply, Session } from "./session.ts";
import { chooseSolver, withWildcard } from "./solverChoice.ts";
import { standingOfChallenge } from "./standing.ts";

/** A hundred names may fail at once. */
const MESSAGE_CHARACTERS_MAX = 2_000;

interface Pending {
  /** As ordered, wildcard included. */
  readonly name: string;
  readonly response: ChallengeResponse;
  readonly solver: Solver;
  readonly url: string;
  /** An earlier attempt already asked the CA to validate. */
  readonly validating: boolean;
}

export interface Challenges {
  readonly session: Session;
  /** What the answers are for. */
  readonly request: Pick<IssueRequest, "certificate" | "renewalId" | "identifiers">;
  /** Authorization URLs of the order. */
  readonly authorizations: readonly string[];
  readonly solvers: readonly NamedSolver[];
  readonly progress: OrderProgress;
  readonly deadline: Deadline;
}

/**
 * Answers every challenge the order still needs and returns when the CA has accepted them all. It presents all answers
 * that have room at the same time, waits until the CA is expected to see them, asks the CA to validate and polls; what
 * had no room comes next. Afterwards it removes the answers, unless the order may continue without this worker: another
 * worker has the lease, an answer needs more time, or the CA is unreachable or busy and may be validating right now.
 * The attempt that resumes the order removes them then.
 */
export async function answerChallenges(challenges: Challenges): Promise<void> {
  const presented: Pending[] = [];
  let rest = await findPending(challenges);
  let failure: unknown = null;
  try {
    while (rest.length > 0) {
      const busy = await present(challenges, rest, presented);
      await awaitReadiness(challenges, presented);
      await validate(challenges, presented, rest.length);
      rest = busy;
      if (rest.length > 0) await cleanUp(challenges.progress, presented.splice(0));
    }
  } catch (error) {
    failure = error;
  }
  if (!orderMayContinue(failure) && !orderMayContinue(challenges.deadline.signal.reason)) {
    try {
      await cleanUp(challenges.progress, presented);
    } catch (error) {
      failure ??= error;
    }
  }
  if (failure !== null) throw failure;
}

/** RFC 8555 §7.5.2. A refusal does no harm: the CA goes on reusing the authorizations. */
export async function deactivateAuthorizations(session: Session, authorizations: readonly string[]): Promise<void> {
  for (const url of authorizations) {
    try {
      await session.post("deactivate an authorization", url, { status: "deactivated" });
    } catch (error) {
      if (problemOf(error) === null) throw error;
    }
  }
}

async function findPending(challenges: Challenges): Promise<Pending[]> {
  const { session, authorizations, solvers, progress, request, deadline } = challenges;
  const pending: Pending[] = [];
  // One after another: a hundred requests at once would be a burst.
  for (const url of authorizations) {
    const reply = await session.post("return an authorization", url, null);
    const authorization = readAuthorization(reply.data);
    const { identifier, status, wildcard } = authorization;
    const named = withWildcard(identifier, wildcard);
    const name = sanitize(named.value, 255);
    if (!isAskedFor(authorization, request.identifiers)) {
      const why = `the CA wants an authorization for ${name}, which nobody asked for`;
      await progress.abandon(why);
      throw new RenewalError("acme.server", `The order is given up: ${why}.`);
    }
    if (status === "valid") continue;
    if (status !== "pending") {
      const reason = offeredError(authorization);
      // Of the other names too: nobody resumes this order.
      await clearAbandonedAnswers({ session, authorizations, solvers, progress });
      // The order can no longer become valid, even if its own status does not say so yet (RFC 8555 §7.1.6).
      await progress.abandon(`the authorization of ${name} is ${status}`);
      throw validationError(`The authorization of ${name} is ${status}`, reason, "acme.orderInvalid");
    }
    const { challenge, solver } = await solving(deadline.signal, () =>
      chooseSolver(named, authorization, solvers, session, deadline.signal),
    );
    const response = {
      identifier,
      ...(await answerTo(session, challenge, wildcard ?? false)),
      certificate: request.certificate,
      renewalId: request.renewalId ?? null,
    };
    const validating = challenge.status !== "pending";
    pending.push({ name: named.value, response, solver, url: challenge.url, validating });
  }
  return pending;
}

async function answerTo(
  session: Session,
  { token, standing }: Challenge,
  wildcard: boolean,
): Promise<Pick<ChallengeResponse, "token" | "keyAuthorization" | "standing">> {
  if (token !== null) return { token, keyAuthorization: await session.keyAuthorization(token) };
  const account = standing && standingOfChallenge(await session.directory(), standing, session.account());
  return { token: "", keyAuthorization: "", ...(account && { standing: { account, wildcard } }) };
}

/** Fills `presented`. Returns those that have to wait until others are done; at least one has been presented. */
async function present(
  { progress, deadline }: Challenges,
  pending: readonly Pending[],
  presented: Pending[],
): Promise<Pending[]> {
  const { signal } = deadline;
  const busy: Pending[] = [];
  let firstBusy: RenewalError | null = null;
  for (const item of pending) {
    signal.throwIfAborted();
    // Noted before: an answer that was half presented may need cleaning up too.
    presented.push(item);
    try {
      await solving(signal, () => item.solver.present(item.response, signal));
    } catch (error) {
      if (!(error instanceof RenewalError) || error.code !== "dns.busy") throw error;
      presented.pop();
      firstBusy ??= error;
      busy.push(item);
      continue;
    }
    const detail = { identifier: item.response.identifier.value, challenge: item.solver.challengeType };
    await progress.save({}, { type: "challenge.presented", detail });
  }
  if (presented.length === 0 && firstBusy !== null) throw firstBusy;
  return busy;
}

/** `open`: how many names the CA has not accepted yet, these included. */
async function validate(
  { session, authorizations, progress, deadline }: Challenges,
  pending: readonly Pending[],
  open: number,
): Promise<void> {
  const first = new Map<Pending, Reply>();
  for (const item of pending) {
    const what = `validate ${item.response.identifier.value}`;
    // Some CAs refuse to start a validation twice; an empty object starts it (RFC 8555 §7.5.1).
    first.set(item, await session.post(what, item.url, item.validating ? null : {}));
  }
  // Wait for all: the names that fail while others succeed separate a dead name from a broken responder.
  const failed = new Map<string, RenewalError>();
  // Names without a pending challenge were accepted earlier. A name that ran out of time was neither accepted nor
  // refused.
  let accepted = authorizations.length - open;
  let late: RenewalError | null = null;
  try {
    for (const [item, reply] of first) {
      const name = sanitize(item.name, 255);
      const again = (): Promise<Reply> => session.post(`return the challenge of ${name}`, item.url, null);
      const outcome = await outcomeInTime(name, (read) =>
        pollUntil(`validating ${name}`, reply, again, read, deadline),
      );
      if (outcome === "accepted") accepted += 1;
      else if (outcome.code === "acme.timeout") late ??= outcome;
      else failed.set(item.name, outcome);
    }
  } finally {
    for (const [identifier, { code, message, facts }] of failed) {
      const detail = { identifier, code, message, action: facts.action, othersValid: accepted };
      await progress.save({}, { type: "challenge.failed", detail });
    }
  }
  throwFirst([...failed.values()]);
  if (late !== null) throw late;
}

type Outcome = "accepted" | RenewalError;

/**
 * A CA that retries by itself reports in the challenge what was wrong so far (RFC 8555 §8.2). smallstep's CA never
 * gives up, so at the order's deadline that report is the outcome. Without a report the outcome is the timeout.
 */
async function outcomeInTime(
  name: string,
  poll: (read: (reply: Reply) => Outcome | null) => Promise<Outcome>,
): Promise<Outcome> {
  let soFar: RenewalError | null = null;
  try {
    return await poll((reply) => {
      const { outcome, trouble } = outcomeOf(name, reply);
      soFar = trouble;
      return outcome;
    });
  } catch (error) {
    if (!(error instanceof RenewalError) || error.code !== "acme.timeout") throw error;
    return soFar ?? error;
  }
}

/** A failure that no retry can fix decides the code; the other names follow in the message. */
function throwFirst(failed: readonly RenewalError[]): void {
  const gravest = failed.find(({ facts }) => facts.retry === "never") ?? failed[0];
  if (gravest === undefined) return;
  const messages = [gravest, ...failed.filter((each) => each !== gravest)].map(({ message }) => message);
  throw new RenewalError(gravest.code, separated(messages), { cause: gravest.cause });
}

/** As many whole messages as fit, numbered, so that it is seen where the error of one name ends. */
function separated(messages: readonly string[]): string {
  const [first = ""] = messages;
  if (messages.length === 1) return first.slice(0, MESSAGE_CHARACTERS_MAX);
  let text = `${messages.length} names failed`;
  for (const [index, message] of messages.entries()) {
    const longer = `${text}${index === 0 ? ":" : ";"} (${index + 1}) ${message.replace(/\.$/, "")}`;
    if (longer.length > MESSAGE_CHARACTERS_MAX - 20) return `${text}; and ${messages.length - index} more`;
    text = longer;
  }
  return text;
}

function outcomeOf(
  name: string,
  reply: Reply,
): { readonly outcome: Outcome | null; readonly trouble: RenewalError | null } {
  const { status, error } = readChallengeState(reply.data);
  if (status === "valid") return { outcome: "accepted", trouble: null };
  const trouble = validationError(`The CA could not validate ${name}`, error, "acme.unauthorized");
  return { outcome: status === "invalid" ? trouble : null, trouble: error == null ? null : trouble };
}

function orderMayContinue(error: unknown): boolean {
  if (!(error instanceof RenewalError)) return false;
  const { class: errorClass, retry } = error.facts;
  return retry === "backoff" && ["transient", "rateLimited", "configuration"].includes(errorClass);
}
