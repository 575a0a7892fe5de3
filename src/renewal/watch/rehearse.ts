import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import pLimit from "p-limit";
import { raceAbort } from "../../domain/abort.ts";
import type { CaBudget } from "../../domain/budget.ts";
import type { Certificate } from "../../domain/certificate.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { OrderProgress, OrderState } from "../../domain/issuer.ts";
import type { Store } from "../../domain/store.ts";
import type { Context, RehearsalOffice } from "../context.ts";
import { ownRequest } from "../steps/orderRequest.ts";
import { refundLimits, reserveLimits } from "../steps/rateLimits.ts";
import type { RehearsalStep } from "./rehearsalStep.ts";
import { tryEndpoints } from "./tryEndpoints.ts";

export interface RehearsalLimits {
  readonly orderMs: number;
  readonly preflightMs: number;
  /** After this no further preflight begins. */
  readonly preflightsMs: number;
}

/** A person's wish. */
export interface RehearsalAsked {
  readonly by: string | null;
  readonly why: string | null;
}

/** Together less than a planner has a rehearsal to itself: what was not done by then is reported as not done. */
const LIMITS: RehearsalLimits = { orderMs: 900_000, preflightMs: 30_000, preflightsMs: 1_200_000 };
const PREFLIGHTS_AT_ONCE = 8;
const WAIT_MIN_MS = 250;
const PROBLEM_CHARACTERS_MAX = 1_000;

/**
 * A renewal without its effects: an order at the staging CA, validated by the same solver, and each target's preflight;
 * for a person who asks also a handshake with each endpoint. The staging certificate is thrown away: nothing is stored
 * as a version and nothing is deployed.
 */
export async function rehearse(
  context: Context,
  certificate: Certificate,
  office: RehearsalOffice,
  signal: AbortSignal,
  limits: RehearsalLimits = LIMITS,
  asked: RehearsalAsked | null = null,
): Promise<RehearsalStep[]> {
  const { store, clock } = context;
  const order = await tryOrder(context, certificate, office, limits.orderMs, signal);
  const tried = [order, ...(await tryTargets(context, certificate, limits, signal))];
  const dialled = asked === null ? [] : await tryEndpoints(context, certificate, signal);
  const steps = [...tried, ...dialled];
  const failed = steps.filter((each) => !isPassing(each));
  const describe = ({ step, message }: RehearsalStep): string => `${step}: ${message}`;
  const codes = failed.flatMap(({ error }) => (error === null ? [] : [error.code]));
  const detail = {
    passed: failed.length === 0,
    failed: failed.map(describe),
    codes,
    ...detailOf(steps),
    ...(asked !== null && asked.by !== null && { by: asked.by }),
    ...(asked !== null && asked.why !== null && { why: asked.why }),
  };
  await store.transaction(async (tx) => {
    const previous = await previousCodes(tx, certificate.name);
    // What endpoints serve is observed all the time.
    const problem = failed.find((step) => !dialled.includes(step) && needsPersonToFix(step, previous));
    await tx.events.append({
      at: clock.now(),
      type: "certificate.rehearsed",
      certificate: certificate.name,
      renewalId: null,
      target: null,
      detail,
    });
    // A staging CA that is down or busy proves nothing about the certificate, so an earlier problem stays.
    if (problem !== undefined || tried.every(isPassing)) {
      await tx.certificates.update(certificate.name, {
        rehearsalProblem: problem === undefined ? null : describe(problem).slice(0, PROBLEM_CHARACTERS_MAX),
      });
    }
  });
  return steps;
}

/** A few at a time: thirty targets that do not answer must not take a quarter of an hour. */
export async function tryTargets(
  { store, services }: Pick<Context, "store" | "services">,
  certificate: Pick<Certificate, "name" | "targets">,
  { preflightMs, preflightsMs }: Pick<RehearsalLimits, "preflightMs" | "preflightsMs">,
  signal: AbortSignal,
): Promise<RehearsalStep[]> {
  const leaf = (await store.versions.latest(certificate.name))?.leaf ?? null;
  const limit = pLimit(PREFLIGHTS_AT_ONCE);
  const deadline = AbortSignal.timeout(preflightsMs);
  const tryTarget = async (target: string): Promise<RehearsalStep> => {
    const step = `target ${target}`;
    if (deadline.aborted)
      return { step, result: "notChecked", message: "no time was left: other targets did not answer", error: null };
    return attemptStep({ step, timeoutMs: preflightMs, code: "deploy.timeout" }, signal, async (bounded) => {
      const deployer = services.deployer(target);
      if (deployer.preflight === undefined) return null;
      await deployer.preflight(certificate.name, leaf, bounded);
      const { untried } = deployer;
      const limit = untried === undefined ? "" : `; only a deploy can try ${untried}`;
      return { result: "passed", message: `ready to be deployed to${limit}` };
    });
  };
  return Promise.all(certificate.targets.map((target) => limit(() => tryTarget(target))));
}

/** What an event keeps of each step: lists, of which the members with one index belong together. */
function detailOf(steps: readonly RehearsalStep[]): {
  readonly steps: readonly string[];
  readonly results: readonly string[];
  readonly messages: readonly string[];
  readonly stepCodes: readonly string[];
} {
  return {
    steps: steps.map(({ step }) => step),
    results: steps.map(({ result }) => result),
    messages: steps.map(({ message }) => message),
    stepCodes: steps.map(({ error }) => error?.code ?? ""),
  };
}

export function isPassing({ result }: Pick<RehearsalStep, "result">): boolean {
  return result !== "failed";
}

/**
 * A page of a proxy in place of the directory is gone a moment later; a wrong `staging` URL answers the same next time.
 */
function needsPersonToFix({ error }: RehearsalStep, previous: readonly unknown[]): boolean {
  if (error === null) return false;
  if (error.code === "acme.directory") return previous.includes(error.code);
  return error.facts.class !== "transient" && error.facts.class !== "rateLimited";
}

/** Why the certificate's last rehearsal failed; empty: it passed, or there was none. */
async function previousCodes(store: Store, certificate: string): Promise<readonly unknown[]> {
  const [last] = await store.events.list({ types: ["certificate.rehearsed"], certificate, limit: 1 });
  const codes = last?.detail.codes;
  return Array.isArray(codes) ? codes : [];
}

function tryOrder(
  context: Context,
  certificate: Certificate,
  { issuer, budget }: RehearsalOffice,
  orderMs: number,
  signal: AbortSignal,
): Promise<RehearsalStep> {
  return attemptStep({ step: "order", timeoutMs: orderMs, code: "acme.timeout" }, signal, async (bounded) => {
    if (issuer === null)
      return {
        result: "notChecked",
        message:
          `issuer "${certificate.issuer}" has no \`staging\` directory: the order, its account and the challenges ` +
          "of its names were not tried",
      };
    const { name, identifiers, keyType, profile } = certificate;
    const { progress, presented } = forgetful(context, certificate, budget);
    const request = {
      certificate: name,
      identifiers,
      keyType,
      profile,
      disposable: true,
      ...(await ownRequest(context, certificate)),
    };
    const solvers = context.services.solvers(certificate);
    const { leaf } = await untilVisible(
      context.clock,
      () => issuer.issue(request, progress, solvers, bounded),
      bounded,
    );
    const remembered = identifiers.length - presented();
    if (remembered > 0) {
      const why = `the CA still trusts an earlier validation of ${remembered} of ${identifiers.length} names`;
      return { result: "notChecked", message: `${why}, so their challenges were not tried; rehearse once more` };
    }
    const names = `${identifiers.length} name${identifiers.length === 1 ? "" : "s"}`;
    return { result: "passed", message: `validated ${names}; issued by ${leaf.issuerName}` };
  });
}

/** A renewal would give its worker back and be resumed; a rehearsal is nobody's to resume, so it waits. */
async function untilVisible<T>({ now }: Context["clock"], attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (thrown) {
      const { code, retryAt } = toRenewalError(thrown);
      if (retryAt === null || (code !== "challenge.waiting" && code !== "dns.busy")) throw thrown;
      await delay(Math.max(WAIT_MIN_MS, retryAt - now()), undefined, { signal });
    }
  }
}

type Checked = Pick<RehearsalStep, "result" | "message">;

interface BoundedStep {
  readonly step: string;
  readonly timeoutMs: number;
  /** Of a step that takes longer. */
  readonly code: "acme.timeout" | "deploy.timeout";
}

/** `work` resolves with null where there is nothing to check with. What does not end in time is abandoned. */
async function attemptStep(
  { step, timeoutMs, code }: BoundedStep,
  signal: AbortSignal,
  work: (bounded: AbortSignal) => Promise<Checked | null>,
): Promise<RehearsalStep> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const bounded = AbortSignal.any([signal, deadline]);
  try {
    const checked = await raceAbort(bounded, () => work(bounded));
    return {
      step,
      ...(checked ?? { result: "notChecked", message: "this kind of target has no preflight: nothing was tried" }),
      error: null,
    };
  } catch (thrown) {
    signal.throwIfAborted();
    const error = deadline.aborted
      ? new RenewalError(code, `no answer within ${timeoutMs / 1000} s`, { cause: thrown })
      : toRenewalError(thrown);
    return { step, result: "failed", message: error.message, error };
  }
}

/** In memory only: a rehearsal is not resumed but repeated. The staging CA's limits are counted too. */
function forgetful(
  { store, clock }: Context,
  certificate: Certificate,
  budget: CaBudget,
): { readonly progress: OrderProgress /** Challenges answered so far. */; presented(): number } {
  const id = `rehearsal-${randomUUID()}`;
  let state: OrderState = { privateKey: null, orderUrl: null, csr: null };
  let presented = 0;
  const progress: OrderProgress = {
    load: async () => state,
    async save(change, event) {
      state = { ...state, ...change };
      if (event?.type === "challenge.presented") presented += 1;
    },
    note() {},
    async abandon() {
      state = { ...state, orderUrl: null, csr: null };
    },
    async reserve() {
      await store.transaction(async (tx) => {
        await reserveLimits(tx, { renewalId: id, certificate, budget, version: null }, clock.now());
        await tx.ledger.release(id);
      });
    },
    unreserve: () => store.transaction((tx) => refundLimits(tx, id)),
  };
  return { progress, presented: () => presented };
}
