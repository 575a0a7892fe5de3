import { suggestion } from "../config/read/suggestions.ts";
import { RenewalError } from "../domain/errors.ts";
import { futureOption } from "../domain/writtenTime.ts";
import * as operator from "../renewal/operator/acknowledge.ts";
import { iso } from "../reports/instant.ts";
import { statusReport } from "../reports/status.ts";
import { type ActionContext, checkedReason, type Decision } from "./context.ts";

/** `renewd acknowledge --json`. */
export interface AcknowledgeReport {
  readonly version: 1;
  readonly subject: string;
  /** null: withdrawn. */
  readonly until: string | null;
}

export interface AcknowledgeRequest {
  /** A certificate with problems, or the id of a notice. */
  readonly subject: string;
  /** `2d`, or an instant. */
  readonly until: string;
}

/** A person has seen a finding and decided that it can wait. */
export async function acknowledge(
  context: ActionContext,
  request: AcknowledgeRequest,
  decision: Decision,
): Promise<AcknowledgeReport> {
  const record = await draftAcknowledgement(context, request, decision);
  return record(context);
}

/** Finds out what is acknowledged, which reads the whole fleet; what it returns records that. */
export async function draftAcknowledgement(
  context: ActionContext,
  { subject, until: written }: AcknowledgeRequest,
  decision: Decision,
): Promise<(recording: ActionContext) => Promise<AcknowledgeReport>> {
  const { clock } = context.renewal;
  const at = clock.now();
  const until = futureOption("--until", written, at);
  const reason = checkedReason(decision.reason);
  const kinds = await kindsOf(context, subject, at);
  const certificate = certificateOf(context, subject);
  return async ({ renewal: { store } }) => {
    await operator.acknowledge(store, { subject, certificate, kinds, reason, by: decision.by, at, until });
    return { version: 1, subject, until: iso(until) };
  };
}

/** It cannot wait after all. */
export async function withdrawAcknowledgement(
  context: ActionContext,
  subject: string,
  { by }: Pick<Decision, "by">,
): Promise<AcknowledgeReport> {
  const { store, clock } = context.renewal;
  const certificate = certificateOf(context, subject);
  await operator.withdrawAcknowledgement(store, { subject, certificate, by, at: clock.now() });
  return { version: 1, subject, until: null };
}

function certificateOf({ estate }: ActionContext, subject: string): string | null {
  return estate().certificates.some(({ name }) => name === subject) ? subject : null;
}

/** The kinds of the finding as it is now. Throws `request.invalid` when there is none of that name. */
async function kindsOf({ renewal: { store }, estate }: ActionContext, subject: string, now: number): Promise<string[]> {
  const { certificates, budget: budgetOf, observeMs, agentTargets } = estate();
  const { problems, notices } = await statusReport(store, certificates, now, { budgetOf, observeMs, agentTargets });
  const trouble = problems.find((each) => each.certificate === subject);
  if (trouble !== undefined) return trouble.problems.map(({ kind }) => kind);
  const notice = notices.find(({ id }) => id === subject);
  if (notice !== undefined) return [notice.kind];
  const known = [...problems.map((each) => each.certificate), ...notices.map(({ id }) => id)];
  throw new RenewalError(
    "request.invalid",
    `"${subject.slice(0, 80)}" is no finding of \`renewd status\`${suggestion(subject, known)}`,
  );
}
