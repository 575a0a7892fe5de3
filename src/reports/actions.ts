import { EXERCISED } from "../domain/certificate.ts";
import { ERRORS, type ErrorCode, isErrorCode } from "../domain/errorTable.ts";
import type { Failure } from "./failures.ts";
import type { Member } from "./fleet.ts";
import { type Case, isHeldAtFirstRun, isQuarantined, type Problem } from "./problems.ts";
import { isClaimed, roleOf } from "./waiting.ts";

type Facts = Case & { readonly problems: readonly Problem[] };

/** What to do, as it is typed. */
export function actionsOf(facts: Facts, complaints: readonly Failure[]): string[] {
  const { member, problems, decision, now } = facts;
  const { name } = member.certificate;
  // Nothing of it is broken but what renewd broke.
  if (isExercised(member, now))
    return ["Acknowledge its alert (`renewd alerts`): it is an exercise, and renewd puts the certificate right then."];
  const actions = new Set(complaints.map((complaint) => filledIn(complaint, name)));
  const has = (kind: Problem["kind"]): boolean => problems.some((problem) => problem.kind === kind);
  if (has("paused") && isHeldAtFirstRun(member.record)) {
    actions.add(`Take the pair over: \`renewd import ${name} --certificate FILE --key FILE\`.`);
    actions.add(`Or replace it by a new one: \`renewd resume ${name}\`.`);
  } else if (has("quarantined") || has("paused")) actions.add(`Run \`renewd resume ${name}\` once the cause is gone.`);
  if (has("noIssuer")) actions.add("Name another issuer for it in the configuration, then reload.");
  if (has("unplannable")) actions.add(ERRORS[planErrorCode(member)].action);
  if (has("held"))
    actions.add(
      `Fix what failed, then \`renewd resume ${name}\`; or put the pair before back: \`renewd rollback ${name}\`.`,
    );
  if (has("restored"))
    actions.add(`Let the planner reach its endpoints, or issue a new certificate: \`renewd renew ${name} --force\`.`);
  if (has("drifted")) actions.add(`Fix what the message names at the target, then \`renewd retry ${name}\`.`);
  if (has("stuck") && isUnserved(facts))
    actions.add(`Start a worker for this stage: \`renewd worker ${workerFor(facts)}\`.`);
  else if (has("stuck"))
    actions.add(`See the log of the ${roleOf(member.active?.state ?? "issuing")} role, then \`renewd retry ${name}\`.`);
  if (mayRetry(facts, complaints))
    actions.add(`To try again at once, without another certificate: \`renewd retry ${name}\`.`);
  if (actions.size > 0) return [...actions];
  if (member.active !== null)
    actions.add(
      isClaimed(member, now) ? "Nothing: a renewal is under way." : `Try again at once: \`renewd retry ${name}\`.`,
    );
  else if (member.certificate.mode === "observe")
    actions.add("See why what renews it has not: renewd only observes it.");
  else if (facts.missing.some(({ role }) => role === "planner"))
    actions.add("Start a planner: `renewd run`, or `renewd worker planner` beside the other roles.");
  else if (decision?.due) actions.add("Nothing: the planner takes it up at its next tick.");
  else actions.add(`Ask for it by hand: \`renewd renew ${name} --wait\`.`);
  return [...actions];
}

function isExercised({ record }: Member, now: number): boolean {
  return record?.pausedReason === EXERCISED && (record.pausedUntil ?? 0) > now;
}

/** Names in the place of the table's placeholders, so that the advice can be typed. */
function filledIn({ action, where }: Failure, certificate: string): string {
  const target = /^target (.*)$/.exec(where)?.[1] ?? "TARGET";
  return action.replace(/`[^`]*`/g, (code) =>
    code.replaceAll(/\bNAME\b/g, certificate).replaceAll(/\bTARGET\b/g, target),
  );
}

/** Once the cause is fixed, nobody should wait for the end of a back-off. */
function mayRetry({ member: { active, record, certificate } }: Facts, complaints: readonly Failure[]): boolean {
  if (certificate.mode === "observe") return false;
  if (complaints.length === 0 || isQuarantined(record) || active?.state === "held") return false;
  const isLimited = ({ code }: Failure): boolean => isErrorCode(code) && ERRORS[code].class === "rateLimited";
  return complaints.some((complaint) => !isLimited(complaint) && !complaint.action.includes("renewd retry"));
}

function planErrorCode({ record }: Member): ErrorCode {
  const code = record?.planErrorCode ?? null;
  return code !== null && isErrorCode(code) ? code : "store.unreadable";
}

function isUnserved({ member: { active }, missing }: Facts): boolean {
  return active !== null && missing.some(({ role }) => role === roleOf(active.state));
}

/** With the targets that wait, if only their own deployer serves them. */
function workerFor({ member: { active, certificate }, missing }: Facts): string {
  const role = active === null ? null : roleOf(active.state);
  const own = missing.find(
    (need) => need.role === role && need.target !== null && certificate.targets.includes(need.target),
  );
  return own?.target ? `${role} --targets ${own.target}` : `${role ?? "acme"}`;
}
