import { responsibilityFacts, responsibilityLine } from "../../domain/responsibility.ts";
import { inert } from "../../domain/text.ts";
import type {
  AddressEntry,
  CertificateEntry,
  CertificateState,
  CertificatesReport,
  EndpointEntry,
} from "../../reports/certificates.ts";
import { ago, fromNow, spoken } from "../../reports/instant.ts";
import { paint, type Screen, type Style } from "../terminal/style.ts";
import { type Cell, type Column, renderTable } from "../terminal/table.ts";
import { wrap } from "../terminal/text.ts";

const STATE: Readonly<Record<CertificateState, { readonly text: string; readonly style: Style }>> = {
  expired: { text: "EXPIRED", style: "wrong" },
  unreadable: { text: "unreadable", style: "wrong" },
  observed: { text: "observed only", style: "caution" },
  notIssued: { text: "not issued yet", style: "caution" },
  quarantined: { text: "quarantined", style: "wrong" },
  failing: { text: "failing", style: "wrong" },
  renewing: { text: "renewing", style: "strong" },
  paused: { text: "paused", style: "caution" },
  notDeployed: { text: "not deployed", style: "wrong" },
  notServed: { text: "not served", style: "wrong" },
  unknown: { text: "unknown", style: "wrong" },
  notProved: { text: "deployed, not proved", style: "caution" },
  provedLive: { text: "proved live", style: "proved" },
};

const COLUMNS: readonly Column[] = [
  { title: "CERTIFICATE", widthMin: 14 },
  { title: "GEN", align: "right", dropOrder: 4 },
  { title: "SERIAL", widthMin: 12, expendable: true, dropOrder: 6 },
  { title: "EXPIRES" },
  { title: "WINDOW", dropOrder: 3 },
  { title: "ISSUER", widthMin: 6, dropOrder: 5 },
  { title: "TARGETS", align: "right", dropOrder: 2 },
  { title: "PROVED", align: "right", dropOrder: 1 },
  { title: "STATE" },
];

/** Only where somebody is named. */
const RESPONSIBLE: Column = { title: "RESPONSIBLE", widthMin: 8, expendable: true, dropOrder: 7 };
/** Only where they are defined in several places. */
const DEFINED_IN: Column = { title: "DEFINED IN", widthMin: 8, expendable: true, dropOrder: 8 };

const LABEL_WIDTH = 12;

export function renderCertificates({ certificates, next, unmanaged, at }: CertificatesReport, screen: Screen): string {
  const isSpread = new Set(certificates.map(({ definedIn }) => definedIn)).size > 1;
  const isNamed = certificates.some(({ responsibility }) => responsibilityLine(responsibility) !== null);
  const columns = [...COLUMNS, ...(isNamed ? [RESPONSIBLE] : []), ...(isSpread ? [DEFINED_IN] : [])];
  const rows = certificates.map((entry) => [
    ...rowOf(entry, at),
    ...(isNamed ? [entry.responsibility.owner ?? entry.responsibility.team ?? "-"] : []),
    ...(isSpread ? [entry.definedIn ?? "-"] : []),
  ]);
  const table = rows.length === 0 ? ["no certificates are configured"] : renderTable(columns, rows, screen);
  if (next !== null) table.push("", ...moreLines(next));
  if (unmanaged.length === 0) return table.join("\n");
  const left = unmanaged.map(({ certificate, servedAt, expiresAt }) =>
    inert(`  ${certificate}: ${servedAt.join(", ")}, expires ${fromNow(expiresAt, at)}`),
  );
  const title = paint(screen, "caution", "Left the configuration and still served, so nothing renews them:");
  return [...table, "", title, ...left].join("\n");
}

/** Below a page that is not the last. */
export function moreLines(next: string): string[] {
  return [inert(`There are more: add \`--after ${next}\`.`)];
}

function rowOf(entry: CertificateEntry, at: string): Cell[] {
  const { certificate, generation, serial, clientsUntil, windowOpensAt, issuer, targets, endpoints, state } = entry;
  return [
    certificate,
    String(generation ?? "-"),
    serial ?? "-",
    clientsUntil === null ? "-" : fromNow(clientsUntil, at),
    windowOpensAt === null ? "-" : fromNow(windowOpensAt, at),
    issuer,
    `${targets.filter(({ current }) => current).length}/${targets.length}`,
    `${endpoints.filter(({ proved }) => proved).length}/${endpoints.length}`,
    STATE[state],
  ];
}

/** One certificate with what each of its targets holds and what each address serves. */
export function renderCertificate(entry: CertificateEntry, at: string, screen: Screen): string {
  const { text, style } = STATE[entry.state];
  const proof = entry.provedAt === null ? "" : ` ${ago(entry.provedAt, at)}`;
  const facts: [string, string | null][] = [
    ["names", entry.names.join(", ")],
    ["generation", entry.generation === null ? null : String(entry.generation)],
    ["serial", entry.serial],
    ["sha-256", entry.fingerprint],
    ["issuer", entry.issuedBy === null ? entry.issuer : `${entry.issuer} (${entry.issuedBy})`],
    ["defined in", definedInText(entry.definedIn)],
    ["expires", entry.expiresAt && `${spoken(entry.expiresAt)} (${fromNow(entry.expiresAt, at)})`],
    [
      "clients get",
      entry.clientsUntil === entry.expiresAt
        ? null
        : entry.clientsUntil &&
          `a certificate until ${spoken(entry.clientsUntil)} (${fromNow(entry.clientsUntil, at)})`,
    ],
    ["window", entry.windowOpensAt && `opens ${spoken(entry.windowOpensAt)} (${fromNow(entry.windowOpensAt, at)})`],
    ["CA suggests", entry.suggestedByCa && suggestionText(entry.suggestedByCa)],
    ...responsibilityFacts(entry.responsibility).map(([name, text]): [string, string] => [name.toLowerCase(), text]),
  ];
  const known = facts.flatMap(([label, value]) =>
    value === null
      ? []
      : wrap(inert(value), screen.width - LABEL_WIDTH - 2).map((line, index) => {
          const name = index === 0 ? label : "";
          return `  ${paint(screen, "faint", name.padEnd(LABEL_WIDTH))}${paint(screen, null, line)}`;
        }),
  );
  return [
    `${paint(screen, "strong", entry.certificate)}  ${paint(screen, style, `${text}${proof}`)}`,
    ...known,
    ...targetLines(entry, screen),
    ...endpointLines(entry, at, screen),
    ...vantageLines(entry, at, screen),
  ].join("\n");
}

function definedInText(definedIn: string | null): string | null {
  return definedIn === "database" ? "the database (`renewd certificates edit`)" : definedIn;
}

function suggestionText({ from, to, renewAt, explanationUrl }: NonNullable<CertificateEntry["suggestedByCa"]>): string {
  const why = explanationUrl === null ? "" : `; why: ${explanationUrl}`;
  return `${spoken(renewAt)}, out of ${spoken(from)} to ${spoken(to)}${why}`;
}

function targetLines({ targets, generation }: CertificateEntry, screen: Screen): string[] {
  if (targets.length === 0) return [];
  const columns = [{ title: "TARGET", widthMin: 10 }, { title: "HOLDS" }, { title: "SINCE" }];
  const rows = targets.map((each): Cell[] => [
    each.target,
    each.current
      ? `generation ${each.deployedGeneration}`
      : {
          text:
            each.deployedGeneration === 0 ? "nothing known" : `generation ${each.deployedGeneration} of ${generation}`,
          style: "wrong",
        },
    each.deployedAt === null ? "-" : spoken(each.deployedAt),
  ]);
  const errors = targets.flatMap(({ target, errorMessage, inspectionProblem }) => [
    ...(errorMessage === null ? [] : wrong(`${target}: ${errorMessage}`, screen)),
    ...(inspectionProblem === null ? [] : wrong(`${target} ${inspectionProblem}`, screen)),
  ]);
  return ["", ...renderTable(columns, rows, screen), ...errors];
}

function endpointLines({ endpoints, generation }: CertificateEntry, at: string, screen: Screen): string[] {
  if (endpoints.length === 0) return [];
  const columns = [
    { title: "ENDPOINT", widthMin: 12 },
    { title: "ADDRESS" },
    { title: "SERVES", widthMin: 8, expendable: true },
    { title: "SEEN" },
    { title: "VERDICT", widthMin: 16, wraps: true },
  ];
  return [
    "",
    ...renderTable(
      columns,
      endpoints.flatMap((endpoint) => addressRows(endpoint, at, generation)),
      screen,
    ),
    ...endpoints.flatMap(({ endpoint, errorMessage }) =>
      errorMessage === null ? [] : wrong(`${endpoint}: ${errorMessage}`, screen),
    ),
  ];
}

/** What each network sees, where several must agree. */
function vantageLines({ vantages }: CertificateEntry, at: string, screen: Screen): string[] {
  if (vantages.length === 0) return [];
  const columns = [
    { title: "SEEN FROM" },
    { title: "ENDPOINT", widthMin: 12, expendable: true },
    { title: "SEES", widthMin: 12 },
    { title: "LOOKED" },
    { title: "VERDICT" },
  ];
  const rows = vantages.flatMap(({ endpoint, views }) =>
    views.map(({ vantage, sees, lookedAt, proved, silent }): Cell[] => [
      ...[vantage, endpoint, sees, lookedAt === null ? "never" : ago(lookedAt, at)],
      silent
        ? { text: "unknown: no verifier runs there", style: "wrong" }
        : proved
          ? { text: "proved", style: "proved" }
          : { text: "not proved", style: "caution" },
    ]),
  );
  const differing = vantages.flatMap(({ endpoint, difference }) =>
    difference === null ? [] : wrong(`${endpoint}: ${difference}`, screen),
  );
  return ["", ...renderTable(columns, rows, screen), ...differing];
}

/** An error in full, below the table that it would tear apart. */
function wrong(text: string, screen: Screen): string[] {
  return wrap(inert(text), screen.width - 2, 4).map((line, index) =>
    paint(screen, "wrong", `${index === 0 ? "! " : "  "}${line}`),
  );
}

function addressRows(
  { endpoint, proved, addresses, errorMessage }: EndpointEntry,
  at: string,
  generation: number | null,
): Cell[][] {
  if (addresses.length === 0) {
    return [
      [
        endpoint,
        "-",
        "-",
        "-",
        errorMessage === null ? { text: "not verified yet", style: "caution" } : { text: "wrong", style: "wrong" },
      ],
    ];
  }
  return addresses.map((each, index): Cell[] => [
    index === 0 ? endpoint : "",
    each.address,
    each.serial ?? "-",
    ago(each.at, at),
    generation === null && each.problem === null ? ofOthers(each, at) : verdict(each, proved),
  ]);
}

/** renewd has issued nothing that it could be compared with. */
function ofOthers({ issuer, expiresAt }: AddressEntry, at: string): Cell {
  const ends = expiresAt === null ? "" : `, expires ${fromNow(expiresAt, at)}`;
  return `by ${issuer ?? "an unknown issuer"}${ends}`;
}

/** An address may have served what was expected of an older generation: good then, no proof now. */
function verdict({ problem, connections, mixedWith, dialable }: AddressEntry, proved: boolean): Cell {
  const otherPercent = mixedWith.reduce((sum, { percent }) => sum + percent, 0);
  if (otherPercent > 0) return { text: `mixed, ${otherPercent} % old`, style: "wrong" };
  if (!dialable) return { text: "not dialled from here", style: "caution" };
  if (problem !== null) return { text: "wrong", style: "wrong" };
  // Another address may be what the endpoint lacks.
  return proved || connections > 0
    ? { text: "proved live", style: "proved" }
    : { text: "not proved for this generation", style: "caution" };
}
