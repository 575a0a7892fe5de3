import { html } from "hono/html";
import type { Renewal } from "../../../domain/renewal.ts";
import { REASON_WORDS } from "../../../reports/reasonWords.ts";
import { certificateHref, foreign, type Html, NOTHING, renewalHref } from "./markup.ts";
import { pill, RENEWAL_LOOK } from "./state.ts";
import { relative, short } from "./time.ts";

type Row = Renewal & { readonly serial?: string | null };

/** Renewals, the newest first; what failed says why in its own row. */
export function renewalTable(rows: readonly Row[], now: number, { withCertificate = false } = {}): Html {
  if (rows.length === 0) return html`<p class="quiet">No renewal yet.</p>`;
  return html`<table class="list renewals">
    <thead><tr><th scope="col">Started</th>
      ${withCertificate ? html`<th scope="col">Certificate</th>` : NOTHING}<th scope="col">State</th>
        <th scope="col">Why</th><th scope="col">Took</th><th scope="col">Generation</th></tr></thead>
    <tbody>${rows.map((row) => {
      const {
        id,
        certificate,
        state,
        reason,
        reasonDetail,
        trigger,
        createdAt,
        finishedAt,
        generation,
        errorMessage,
        errorCode,
        attempts,
      } = row;
      return html`<tr>
        <td data-label="Started"><a href="${renewalHref(id)}">${relative(createdAt, now)}</a></td>
        ${
          withCertificate
            ? html`<th scope="row" data-label="Certificate"><a
              href="${certificateHref(certificate)}">${foreign(certificate)}</a></th>`
            : NOTHING
        }
        <td data-label="State">${pill(RENEWAL_LOOK[state])}</td>
        <td data-label="Why">${REASON_WORDS[reason]}${
          trigger === "request" ? " (asked for)" : ""
        } <span class="quiet">· ${foreign(reasonDetail)}</span>
          ${
            errorMessage === null
              ? NOTHING
              : html`<small class="bad-text">${foreign(errorMessage)} <code>${errorCode}</code></small>`
          }</td>
        <td data-label="Took">${short((finishedAt ?? now) - createdAt)}${
          attempts > 0 ? html` <small>${attempts} failed ${attempts === 1 ? "attempt" : "attempts"}</small>` : NOTHING
        }</td>
        <td data-label="Generation">${generation}${
          row.serial == null ? NOTHING : html` <small><code>${row.serial}</code></small>`
        }</td>
      </tr>`;
    })}</tbody>
  </table>`;
}
