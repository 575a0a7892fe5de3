import { html } from "hono/html";
import { DAY_MS } from "../../domain/time.ts";
import type { Version } from "../../domain/version.ts";
import { type CertificateEntry, certificatesReport } from "../../reports/certificates.ts";
import type { CertificateRow, Life } from "../../reports/lists/certificateRow.ts";
import { proofStrips, STRIP_DAYS } from "../../reports/proofStrip.ts";
import { HttpProblem } from "../problem.ts";
import { actionHref } from "./actionLinks.ts";
import { generations } from "./certificateGenerations.ts";
import { chain, names, readNameFacts } from "./certificateNames.ts";
import { generationsText } from "./certificates.ts";
import type { PageFacts } from "./facts.ts";
import { heading, layout } from "./layout.ts";
import { lifeBar } from "./parts/lifeBar.ts";
import { advice, count, foreign, type Html, NOTHING, pathOf, plural } from "./parts/markup.ts";
import { renewalTable } from "./parts/renewals.ts";
import { isAnswered, responsible } from "./parts/responsibility.ts";
import { CERTIFICATE_LOOK, DEPLOYMENT_LOOK, ENDPOINT_LOOK, pill } from "./parts/state.ts";
import { strip } from "./parts/strip.ts";
import { instant, lifetime, relative } from "./parts/time.ts";
import { seenFrom } from "./parts/vantages.ts";

const RENEWALS_SHOWN = 8;
const PROOFS_MAX = 2_000;

/** One certificate: where it is, what it serves, what comes next, and what it was before. */
export async function certificatePage(facts: PageFacts, name: string): Promise<Html> {
  const { web, snapshot, now } = facts;
  const { store } = web.renewal;
  const row = snapshot.rows.get(name);
  const examined = snapshot.byName.get(name);
  if (row === undefined || examined === undefined)
    throw new HttpProblem(404, `"${name.slice(0, 100)}" is no certificate of the configuration`, {
      action: "See the list of certificates; the history keeps those that left the configuration.",
    });
  const { certificate } = examined.member;
  const report = await certificatesReport(store, [certificate], now, web.estate().observeMs);
  const [entry] = report.certificates;
  const versions = await store.versions.list(name);
  const latest = versions.at(-1) ?? null;
  const filter = { certificate: name };
  const renewals = await store.search.renewals(filter, { limit: RENEWALS_SHOWN, after: null });
  const total = [...(await store.search.countRenewals(filter)).values()].reduce((sum, each) => sum + each, 0);
  const proofs = await store.events.list({
    ...{ certificate: name, types: ["verify.converged", "verify.stale"] },
    ...{ since: now - STRIP_DAYS * DAY_MS, limit: PROOFS_MAX },
  });
  const nameFacts = await readNameFacts(facts, name);
  const pausedBy = row.paused === null ? null : await whoPaused(facts, name);
  const trouble = snapshot.status.problems.find((each) => each.certificate === name);
  return layout(facts, {
    title: name,
    body: html`${heading(name, verdict(row, now), actions(row, facts, hasPairBefore(versions, now)))}
      ${
        trouble === undefined
          ? NOTHING
          : html`<section class="card ${trouble.needsPerson ? "bad-card" : "warn-card"}">
            ${trouble.errors.map(
              ({ where, message, code }) => html`<p class="message"><b>${foreign(where)}:</b>
              ${foreign(message)} <code>${foreign(code)}</code></p>`,
            )}
            ${trouble.actions.map((action) => html`<p class="todo"><b>What to do:</b> ${advice(action)}</p>`)}
            ${
              trouble.acknowledged === null
                ? NOTHING
                : html`<p>Acknowledged by ${foreign(trouble.acknowledged.by ?? "somebody")} until
                  ${instant(Date.parse(trouble.acknowledged.until))}: ${foreign(trouble.acknowledged.reason)}</p>`
            }
          </section>`
      }
      ${pause(row, pausedBy, now)}
      ${isAnswered(row.responsibility) ? html`<p class="responsible">${responsible(row.responsibility)}</p>` : NOTHING}
      ${
        certificate.definedIn === undefined
          ? NOTHING
          : html`<p class="responsible">Defined in ${foreign(certificate.definedIn)}</p>`
      }
      ${life(row, now)}
      ${blastRadius(row, facts)}
      <div class="columns">${targets(row, facts)}${endpoints(entry, facts, proofStrips(proofs, now))}</div>
      ${seenFrom(entry?.vantages ?? [], now)}
      <div class="columns">${names(certificate, latest, nameFacts, facts)}${chain(latest, now)}</div>
      ${generations(versions, row, facts)}
      <section class="panel">
        <h2>History</h2>
        ${renewalTable(renewals, now)}
        <p>${count(total, `/history?q=${encodeURIComponent(`certificate:"${name}"`)}`, plural(total, "renewal"))} · <a
          href="/history?view=events&q=${encodeURIComponent(`certificate:"${name}"`)}">every event</a></p>
      </section>`,
  });
}

function verdict(row: CertificateRow, now: number): Html {
  const { state, what, next, provedAt, expiresAt } = row;
  return html`${pill(CERTIFICATE_LOOK[state])} ${
    what === null
      ? state === "provedLive"
        ? html`every endpoint served it ${relative(provedAt, now)}`
        : NOTHING
      : foreign(what)
  }${
    expiresAt === null ? NOTHING : html` · expires ${relative(expiresAt, now)}`
  } · ${foreign(next.what)}${next.at === null ? NOTHING : html` ${relative(next.at, now)}`}`;
}

async function whoPaused({ web }: PageFacts, certificate: string): Promise<string | null> {
  const [event] = await web.renewal.store.events.list({ certificate, types: ["certificate.paused"], limit: 1 });
  return typeof event?.detail.by === "string" ? event.detail.by : null;
}

function pause({ paused }: CertificateRow, by: string | null, now: number): Html {
  if (paused === null) return NOTHING;
  const until = paused.until === null ? html`until somebody resumes it` : html`until ${instant(paused.until)}`;
  return html`<p class="card warn-card">Paused ${until}${by === null ? "" : `, by ${foreign(by)}`}
    ${relative(paused.since, now)}: ${foreign(paused.reason)}</p>`;
}

/** As the action: an earlier pair that was proved live and is still valid. */
function hasPairBefore(versions: readonly Version[], now: number): boolean {
  return versions
    .slice(0, -1)
    .some(({ verifiedAt, revokedAt, leaf }) => verifiedAt !== null && revokedAt === null && leaf.notAfter > now);
}

function actions({ certificate, waitingOn, state }: CertificateRow, { here }: PageFacts, canRollBack: boolean): Html {
  const of = { certificate: [certificate], back: here };
  const link = (action: Parameters<typeof actionHref>[0], word: string, kind = "plain"): Html =>
    html`<a class="button ${kind}" href="${actionHref(action, of)}">${word}</a>`;
  const isHeld = waitingOn === "person" || waitingOn === "paused" || state === "paused";
  return html`${isHeld ? link("resume", "Resume", "") : link("retry", "Try again now", "")}
    ${link("renew", "Renew")} ${link("deploy", "Deploy again")} ${canRollBack ? link("rollback", "Roll back") : NOTHING}
    ${isHeld ? NOTHING : link("pause", "Pause")} ${link("rehearse", "Rehearse")} ${link("dial", "Dial now")}`;
}

function life({ life: bar, clientsLife, generations }: CertificateRow, now: number): Html {
  if (bar === null) return html`<p class="empty">Nothing was issued yet.</p>`;
  const { from, to, windowOpensAt, dueAt, suggested } = bar;
  return html`<section class="panel wide-life">
    ${clientsLife === null ? NOTHING : olderLife(clientsLife, generations.issued, now)}
    ${lifeBar(bar, now, "page")}
    <dl class="facts">
      <div><dt>Issued</dt><dd>${instant(from)}</dd></div>
      <div><dt>Window opens</dt><dd>${relative(windowOpensAt, now)}</dd></div>
      <div><dt>${suggested === null ? "Its own instant" : "The CA suggests"}</dt>
        <dd>${relative(suggested?.at ?? dueAt, now)}</dd></div>
      <div><dt>${
        clientsLife === null ? "Expires" : "The new pair expires"
      }</dt><dd>${instant(to)} (${relative(to, now)})</dd></div>
      <div><dt>Lifetime</dt><dd>${lifetime(to - from)}</dd></div>
      <div><dt>Generation</dt><dd>${generationsText(generations)} <small>issued/deployed/observed</small></dd></div>
    </dl>
  </section>`;
}

/** Two pairs are in use, and the older one is what hurts. */
function olderLife(older: Life, issued: number, now: number): Html {
  return html`<p><b>Clients still get an older pair</b>, which expires ${relative(older.to, now)}
      (${instant(older.to)}):</p>
    ${lifeBar(older, now, "page")}
    <p>Generation ${issued}, issued and not everywhere yet:</p>`;
}

/** What is at stake, and what else would be hit by the same fault. */
function blastRadius({ names: own, targets: at, issuer, certificate }: CertificateRow, { snapshot }: PageFacts): Html {
  const clients = snapshot.endpoints.filter((row) => row.certificate === certificate).length;
  const neighbours = snapshot.certificates.filter(({ targets: others }) =>
    others.some((target) => at.includes(target)),
  );
  const ofIssuer = snapshot.certificates.filter((row) => row.issuer === issuer);
  const href = `/certificates?${at.map((target) => `target=${encodeURIComponent(target)}`).join("&")}`;
  return html`<p class="quiet">At stake: ${own.length} ${plural(own.length, "name")} at
    ${count(clients, `/endpoints?certificate=${encodeURIComponent(certificate)}`, plural(clients, "endpoint"))}. Its
    ${plural(at.length, "target holds", "targets hold")}
    ${
      at.length === 0 ? "nothing" : count(neighbours.length, href, plural(neighbours.length, "certificate"))
    }; its issuer
    ${foreign(issuer)} serves ${count(ofIssuer.length, `/certificates?issuer=${encodeURIComponent(issuer)}`)}.</p>`;
}

function targets({ certificate, generations: held }: CertificateRow, { snapshot, now, here }: PageFacts): Html {
  const rows = snapshot.deployments.filter((row) => row.certificate === certificate);
  const deployHref = (target: string): string =>
    actionHref("deploy", { certificate: [certificate], target, back: here });
  return html`<section class="panel">
    <h2>Targets</h2>
    ${
      rows.length === 0
        ? html`<p class="quiet">It has no target.</p>`
        : html`<table class="list"><thead><tr><th scope="col">Target</th><th scope="col">State</th>
          <th scope="col">Holds</th><th scope="col">Since</th></tr></thead>
          <tbody>${rows.map(
            (row) => html`<tr>
                <th scope="row" data-label="Target"><a
                  href="${pathOf("targets", row.target)}">${foreign(row.target)}</a></th>
                <td data-label="State">${pill(DEPLOYMENT_LOOK[row.state])}${
                  row.message === null
                    ? NOTHING
                    : html`<small class="bad-text">${foreign(row.message)} <code>${row.errorCode}</code></small>`
                }
                ${
                  row.nextAttemptAt !== null && row.nextAttemptAt > now
                    ? html`<small>tries again ${relative(row.nextAttemptAt, now)}</small>`
                    : NOTHING
                }</td>
                <td data-label="Holds">generation ${row.deployed} of ${held.issued}</td>
                <td data-label="Since">${relative(row.deployedAt, now)} ${
                  row.state === "current"
                    ? NOTHING
                    : html`<a
                      href="${deployHref(row.target)}">deploy</a>`
                }</td>
              </tr>`,
          )}</tbody></table>`
    }
  </section>`;
}

function endpoints(
  entry: CertificateEntry | undefined,
  { snapshot, now }: PageFacts,
  strips: ReturnType<typeof proofStrips>,
): Html {
  const rows = snapshot.endpoints.filter(({ certificate }) => certificate === entry?.certificate);
  if (entry === undefined || rows.length === 0)
    return html`<section class="panel"><h2>Endpoints</h2>
      <p class="quiet">It has no endpoint: nothing can prove that clients get it.</p></section>`;
  return html`<section class="panel">
    <h2>Endpoints</h2>
    <table class="list"><thead><tr><th scope="col">Address</th><th scope="col">Serves</th><th scope="col">Seen</th></tr>
      </thead>
      <tbody>${rows.map((row) => {
        const seen = entry.endpoints.find(({ endpoint }) => endpoint === row.endpoint);
        return html`<tr class="group"><th scope="rowgroup" colspan="2"><a
          href="${pathOf("endpoints", row.certificate, row.endpoint)}">${foreign(row.endpoint)}</a>
            ${pill(ENDPOINT_LOOK[row.state])} ${strip(strips.get(row.endpoint))}
            ${
              row.errorMessage === null
                ? NOTHING
                : html`<small class="bad-text">${foreign(row.errorMessage)} <code>${row.errorCode}</code></small>`
            }</th><td>${relative(row.checkedAt, now, "never")}</td></tr>
          ${seen?.addresses.map(
            ({ address, serial, expiresAt, problem, at, dialable, connections }) => html`<tr>
                <td data-label="Address"><code>${foreign(address)}</code></td>
                <td data-label="Serves">${
                  serial === null
                    ? NOTHING
                    : html`<code>${foreign(serial)}</code> ${
                        entry.serial === serial
                          ? html`<small>generation ${entry.generation}${
                              connections === 0 ? "" : `, ${connections} connections in a row`
                            }</small>`
                          : html`<small class="bad-text">another certificate</small>`
                      }`
                }
                  ${
                    problem === null
                      ? NOTHING
                      : html`<small class="${dialable ? "bad-text" : "quiet"}">${foreign(problem)}</small>`
                  }${
                    expiresAt === null ? NOTHING : html`<small>ends ${relative(Date.parse(expiresAt), now)}</small>`
                  }</td>
                <td data-label="Seen">${relative(Date.parse(at), now)}</td></tr>`,
          )}`;
      })}</tbody></table>
  </section>`;
}
