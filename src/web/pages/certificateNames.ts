import { html } from "hono/html";
import type { Certificate } from "../../domain/certificate.ts";
import type { HistoryEvent } from "../../domain/event.ts";
import type { Identifier } from "../../domain/identifier.ts";
import { solversFor } from "../../domain/solverChoice.ts";
import type { Version } from "../../domain/version.ts";
import { eventSentence } from "../../reports/eventSentence.ts";
import { readLeaf } from "../../x509/leaf.ts";
import { actionHref } from "./actionLinks.ts";
import type { PageFacts } from "./facts.ts";
import { foreign, type Html, NOTHING } from "./parts/markup.ts";
import { relative } from "./parts/time.ts";

const PRESENTED_MAX = 500;

/** What is known of each name without asking anybody: who proves it and how, when that was, and what CAA said. */
export interface NameFacts {
  /** When a challenge for it was last answered, ms since epoch. */
  readonly provedAt: ReadonlyMap<string, number>;
  /** The last `certificate.checked`. */
  readonly check: HistoryEvent | null;
}

export async function readNameFacts({ web }: PageFacts, certificate: string): Promise<NameFacts> {
  const { events } = web.renewal.store;
  const presented = await events.list({ certificate, types: ["challenge.presented"], limit: PRESENTED_MAX });
  const [check = null] = await events.list({ certificate, types: ["certificate.checked"], limit: 1 });
  const provedAt = new Map<string, number>();
  for (const { at, detail } of presented)
    if (typeof detail.identifier === "string") provedAt.set(detail.identifier, at);
  return { provedAt, check };
}

export function names(
  certificate: Certificate,
  latest: Version | null,
  known: NameFacts,
  { web, now, here }: PageFacts,
): Html {
  const issued = new Set((latest?.leaf.identifiers ?? []).map(({ value }) => value));
  const wanted = new Set(certificate.identifiers.map(({ value }) => value));
  const extra = [...issued].filter((name) => !wanted.has(name));
  const solvers = web.renewal.services.solvers(certificate);
  const caa = caaOf(known.check);
  const line = (identifier: Identifier): Html => {
    const { value } = identifier;
    const [solver] = solversFor(solvers, identifier);
    const how = solver === undefined ? "no solver can prove it" : `${solver.name}, ${solver.solver.challengeType}`;
    const at = known.provedAt.get(value) ?? null;
    const record = caa.get(value);
    return html`<li><code>${foreign(value)}</code> ${issued.has(value) ? NOTHING : missing(value, latest)}
      <small>${foreign(how)}${at === null ? NOTHING : html` · challenge answered ${relative(at, now)}`}
        · CAA ${record === undefined ? "not checked" : foreign(record)}</small></li>`;
  };
  const check = actionHref("check", { certificate: [certificate.name], back: here });
  return html`<section class="panel"><h2>Names</h2>
    <ul class="names">
      ${certificate.identifiers.map(line)}
      ${extra.map((name) => html`<li><code>${foreign(name)}</code> <small>no longer configured</small></li>`)}
    </ul>
    <p>${checked(known.check, now)} <a href="${check}">check now</a></p>
  </section>`;
}

function missing(name: string, latest: Version | null): Html {
  const why = latest?.droppedNames.includes(name)
    ? "left out: its validation kept failing"
    : latest === null
      ? "not issued yet"
      : "not in the latest version";
  return html`<small class="bad-text">${why}</small>`;
}

function checked(check: HistoryEvent | null, now: number): Html {
  if (check === null) return html`<span class="quiet">Never checked as a CA would.</span>`;
  const tone = check.detail.passed === true ? "quiet" : "bad-text";
  return html`<span class="${tone}">Checked ${relative(check.at, now)}: ${foreign(eventSentence(check))}.</span>`;
}

/** `name text` each. */
function caaOf(check: HistoryEvent | null): ReadonlyMap<string, string> {
  const lines = check?.detail.caa;
  if (!Array.isArray(lines)) return new Map();
  return new Map(
    lines.map((line: unknown): [string, string] => {
      const text = String(line);
      const space = text.indexOf(" ");
      return [text.slice(0, space), text.slice(space + 1)];
    }),
  );
}

/** A chain that ends earlier than the leaf ends the leaf. */
export function chain(latest: Version | null, now: number): Html {
  if (latest === null) return NOTHING;
  const links = [latest.leafPem, ...latest.chainPem].flatMap((pem) => {
    try {
      return [readLeaf(pem)];
    } catch {
      return [];
    }
  });
  return html`<section class="panel"><h2>Chain</h2><ol class="names">
    ${links.map(
      ({ issuerName, notAfter, serial }, index) => html`<li>${index === 0 ? "leaf" : "intermediate"}
        <code>${foreign(serial)}</code>
        <small>signed by ${foreign(issuerName)}, ends ${relative(notAfter, now)}</small></li>`,
    )}
    ${links.length === 0 ? html`<li class="quiet">cannot be read</li>` : NOTHING}
  </ol></section>`;
}
