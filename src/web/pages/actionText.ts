import type { Examined } from "../../reports/summary.ts";
import type { ActionInput } from "./actions/input.ts";
import type { PageFacts } from "./facts.ts";
import type { Html } from "./parts/markup.ts";

export interface PlanLine {
  readonly subject: string;
  /** What the action would do to it. */
  readonly outcome: string;
  /** Why it would be refused; null: it would not be, as far as is known now. */
  readonly refused: string | null;
}

export interface Plan {
  readonly sentence: string;
  readonly lines: readonly PlanLine[];
  /** What keeps all of it from being done; null: nothing. */
  readonly problem: string | null;
  /** Nothing that is typed into the form can change that: there is no form. */
  readonly isFinal?: boolean;
}

export interface ActionText {
  readonly title: string;
  /** On the button. */
  readonly verb: string;
  readonly needsReason: boolean;
  plan(facts: PageFacts, input: ActionInput): Plan | Promise<Plan>;
  fields?(input: ActionInput): Html;
}

/** What would happen to it, or why it would be refused. */
export type Line = string | { readonly refused: string };

export function refusal(refused: string): Line {
  return { refused };
}

export function perCertificate(
  what: string,
  line: (examined: Examined, input: ActionInput, facts: PageFacts) => Line | Promise<Line>,
): ActionText["plan"] {
  return async (facts, input) => {
    const lines: PlanLine[] = [];
    for (const subject of input.certificates) lines.push(await planLine(subject));
    async function planLine(subject: string): Promise<PlanLine> {
      const examined = facts.snapshot.byName.get(subject);
      if (examined === undefined) return { subject, outcome: "", refused: "is no certificate of the configuration" };
      const found = await line(examined, input, facts);
      return typeof found === "string"
        ? { subject, outcome: found, refused: null }
        : { subject, outcome: "", refused: found.refused };
    }
    const count = input.certificates.length;
    return {
      sentence: count === 0 ? "No certificate is selected." : `This ${what}.`,
      lines,
      problem: count === 0 ? "Select certificates in the list first." : null,
      isFinal: count === 0,
    };
  };
}
