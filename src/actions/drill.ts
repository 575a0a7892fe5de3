import { DRILL_SCENARIOS, type DrillScenario } from "../domain/drill.ts";
import { RenewalError } from "../domain/errors.ts";
import { labelTexts } from "../domain/responsibility.ts";
import { futureOption } from "../domain/writtenTime.ts";
import { draftReplacement, startReplacement } from "../renewal/plan/replacement.ts";
import { iso } from "../reports/instant.ts";
import { type ActionContext, certificateNamed, type Decision, optionalReason } from "./context.ts";

/** `renewd drill --json`. */
export interface DrillStartReport {
  readonly version: 1;
  /** Of the drill and of its replacement; null: `--dry-run`. */
  readonly id: string | null;
  readonly scenario: DrillScenario;
  /** The issuer to order from; null: as configured. */
  readonly issuer: string | null;
  readonly deadline: string;
  readonly certificates: readonly string[];
  readonly refused: readonly { readonly certificate: string; readonly why: string }[];
}

/** Which certificates are replaced as if what happened to them; what is empty does not select. */
export interface DrillRequest {
  readonly certificates: readonly string[];
  /** Each `key=value`; a certificate must have all of them. */
  readonly labels: readonly string[];
  readonly scenario: DrillScenario;
  /** The issuer to order from; null: as configured. */
  readonly issuer: string | null;
  /** How many first, second …; the rest comes last. */
  readonly waves: readonly number[];
  /** `1h`, or an instant: what is not proved by then was too slow. */
  readonly deadline: string;
  /** Show whom it concerns and record nothing. */
  readonly dryRun: boolean;
}

/** Throws `request.invalid`. */
export function drillScenario(text: string): DrillScenario {
  const found = DRILL_SCENARIOS.find((scenario) => scenario === text);
  if (found !== undefined) return found;
  throw new RenewalError("request.invalid", `--as: "${text.slice(0, 80)}" is none of ${DRILL_SCENARIOS.join(", ")}`);
}

/** Has the certificates replaced, and measures how long each takes. Throws `request.invalid`. */
export async function drill(
  context: ActionContext,
  asked: DrillRequest,
  decision: Decision,
): Promise<DrillStartReport> {
  const start = await draftDrill(context, asked, decision);
  return start(context);
}

/** Finds out whom it concerns; what it returns starts the drill. */
export async function draftDrill(
  { renewal, estate }: ActionContext,
  asked: DrillRequest,
  { by, reason }: Decision,
): Promise<(starting: ActionContext) => Promise<DrillStartReport>> {
  const { scenario, issuer, waves } = asked;
  const deadline = futureOption("--deadline", asked.deadline, renewal.clock.now());
  if (issuer !== null && !renewal.services.issuerNames().includes(issuer))
    throw new RenewalError("request.invalid", `--issuer: there is no issuer "${issuer.slice(0, 80)}"`);
  const chosen = chosenNames(asked, estate().certificates);
  const request = {
    ...{ selection: { certificates: new Set(chosen) }, described: describe(asked), issuer, deadline, waves },
    ...{ by, why: optionalReason(reason), drill: scenario },
  };
  const { members, refused, unknownSerials } = await draftReplacement(renewal, request);
  const able = members.filter(({ certificate }) => certificate.mode !== "observe");
  const left = chosen.flatMap((certificate) => {
    if (members.every((member) => member.certificate.name !== certificate))
      return refused.some((each) => each.certificate === certificate)
        ? []
        : { certificate, why: "it was never issued" };
    return able.some((member) => member.certificate.name === certificate)
      ? []
      : { certificate, why: "renewd only observes it" };
  });
  return async (starting) => {
    const draft = { members: able, refused, unknownSerials };
    const started = asked.dryRun ? null : await startReplacement(starting.renewal, request, draft);
    return {
      version: 1,
      id: started?.id ?? null,
      ...{ scenario, issuer, deadline: iso(deadline) },
      certificates: able.map(({ certificate }) => certificate.name),
      refused: [...refused, ...left],
    };
  };
}

function chosenNames(
  { certificates: names, labels }: DrillRequest,
  configured: ReturnType<ActionContext["estate"]>["certificates"],
): string[] {
  if (names.length + labels.length === 0)
    throw new RenewalError("request.invalid", "say which certificates: their names, or --label key=value");
  const named = names.length === 0 ? configured : names.map((name) => certificateNamed(configured, name));
  const fit = named.filter(({ responsibility }) => {
    const has = labelTexts(responsibility);
    return labels.every((label) => has.includes(label));
  });
  if (fit.length === 0)
    throw new RenewalError("request.invalid", `--label: no certificate has ${labels.join(" and ").slice(0, 200)}`);
  return fit.map(({ name }) => name);
}

/** For people. */
function describe({ certificates, labels, scenario, waves }: DrillRequest): string {
  const parts = [
    `drill as if ${scenario}:`,
    ...certificates,
    ...labels.map((label) => `--label ${label}`),
    ...(waves.length === 0 ? [] : [`--waves ${waves.join(",")}`]),
  ];
  return parts.join(" ").slice(0, 500);
}
