import { html } from "hono/html";
import { drill } from "../../actions/drill.ts";
import { DRILL_SCENARIOS } from "../../domain/drill.ts";
import { toRenewalError } from "../../domain/errors.ts";
import { drillRequest } from "./actions/drillRequest.ts";
import type { ActionInput } from "./actions/input.ts";
import type { ActionText, PlanLine } from "./actionText.ts";
import { type Html, NOTHING } from "./parts/markup.ts";

const SENTENCE =
  "They are replaced as if that had just happened to them, within the CA's limits, and it is measured how long each " +
  "takes until it is proved live. What they serve now stays good.";

const NO_CERTIFICATE = "Choose certificates in the list of certificates.";

export const DRILL_TEXT: ActionText = {
  title: "Drill",
  verb: "Start the drill",
  needsReason: true,
  async plan({ web, actor }, input) {
    if (input.certificates.length === 0)
      return { sentence: SENTENCE, lines: [], problem: NO_CERTIFICATE, isFinal: true };
    try {
      const { certificates, refused } = await drill(web, drillRequest(input, true), { by: actor.name, reason: null });
      const lines = [
        ...certificates.map((subject): PlanLine => ({ subject, outcome: "is replaced and measured", refused: null })),
        ...refused.map(({ certificate, why }): PlanLine => ({ subject: certificate, outcome: "", refused: why })),
      ];
      return { sentence: SENTENCE, lines, problem: certificates.length === 0 ? "None of them can be replaced." : null };
    } catch (thrown) {
      return { sentence: SENTENCE, lines: [], problem: toRenewalError(thrown).message };
    }
  },
  fields: (input) => fields(input),
};

function fields({ scenario, untilText, replacement: { issuer, wavesText } }: ActionInput): Html {
  const field = (name: string, label: string, value: string, hint: string): Html =>
    html`<p><label for="${name}">${label}</label> <input id="${name}" name="${name}" value="${value}" maxlength="255"
      autocomplete="off" /> <span class="quiet">${hint}</span></p>`;
  return html`<p><label for="scenario">As if they had</label> <select id="scenario" name="scenario">${DRILL_SCENARIOS.map(
    (each) =>
      html`<option value="${each}"${each === scenario ? html` selected` : NOTHING}>${
        each === "revoked" ? "been revoked" : "expired"
      }</option>`,
  )}</select></p>
    ${field("issuer", "Order from", issuer, "empty: as configured; such as the issuer of a staging directory")}
    ${field("waves", "Waves", wavesText, "1,20: one first, then twenty, then the rest")}
    ${field("until", "Deadline", untilText, "empty: in an hour; what is not proved by then was too slow")}
    <p><button class="button plain" formmethod="get" formaction="/actions/drill" formnovalidate>Show the plan</button></p>`;
}
