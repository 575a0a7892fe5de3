import { inert } from "../../domain/text.ts";
import type { Management } from "../../renewal/rules/unmanaged.ts";
import { ago, fromNow, spoken } from "../../reports/instant.ts";
import type {
  DiscoverReport,
  DiscoveryRunEntry,
  InventoryKeyReport,
  InventoryReport,
  InventoryRow,
} from "../../reports/inventory.ts";
import { paint, type Screen, type Style } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";

/** Digits of a fingerprint that nobody has twice. */
const DIGITS = 12;
const NAMES_SHOWN_MAX = 3;
const PLACES_SHOWN_MAX = 3;
const PROBLEMS_SHOWN_MAX = 10;
const LOGGED_SHOWN_MAX = 50;

const STYLES: Readonly<Record<Management, Style>> = { managed: "proved", watched: "faint", unmanaged: "caution" };

export function renderInventory({ at, total, certificates, runs }: InventoryReport, screen: Screen): string {
  if (total === 0)
    return runs.length === 0
      ? "nothing was looked for yet: `renewd discover`"
      : `nothing was found, ${runs.map(({ source, finishedAt }) => `${source} ${ago(finishedAt, at)}`).join(", ")}`;
  const newest = runs
    .map(({ finishedAt }) => finishedAt)
    .toSorted()
    .at(-1);
  const looked = newest === undefined ? "" : `, last look ${spoken(newest)}`;
  const verdict = `${certificates.length} of ${total} certificates${looked}`;
  return [verdict, "", ...tableOf(certificates, at, screen)].join("\n");
}

export function renderInventoryKey({ key, certificates, at }: InventoryKeyReport, screen: Screen): string {
  const places = certificates.reduce((sum, each) => sum + each.places.length, 0);
  const verdict = `key ${key.slice(0, DIGITS)}: ${counted(certificates.length, "certificate")} at ${counted(places, "place")}`;
  const columns = [
    { title: "PLACE", widthMin: 20, wraps: true },
    { title: "CERTIFICATE" },
    { title: "FIRST SEEN" },
    { title: "LAST SEEN" },
  ];
  const rows = certificates.flatMap(({ fingerprint, places: all }) =>
    all.map(({ place, source, firstSeen, lastSeen }): Cell[] => [
      `${place} (${source})`,
      fingerprint.slice(0, DIGITS),
      spoken(firstSeen),
      ago(lastSeen, at),
    ]),
  );
  return [verdict, "", ...renderTable(columns, rows, screen)].join("\n");
}

export function renderDiscover({ at, runs, certificates, logged }: DiscoverReport, screen: Screen): string {
  const blocks = [runs.map((run) => runText(run, screen)).join("\n")];
  blocks.push(
    certificates.length === 0
      ? "nothing that was not known"
      : [
          `${counted(certificates.length, "certificate")} that ${certificates.length === 1 ? "was" : "were"} not known`,
          "",
          ...tableOf(certificates, at, screen),
        ].join("\n"),
  );
  if (logged.length > 0) {
    const shown = logged.slice(0, LOGGED_SHOWN_MAX);
    const more = logged.length > shown.length ? [`and ${logged.length - shown.length} more: --json has all`] : [];
    const columns = [
      { title: "SERIAL" },
      { title: "NAMES", widthMin: 20, wraps: true },
      { title: "ISSUER", widthMin: 12, dropOrder: 1 },
      { title: "ENDS" },
    ];
    const rows = shown.map(({ serial, names, issuer, notAfter }): Cell[] => [
      serial,
      namesText(names, ""),
      issuer,
      fromNow(notAfter, at),
    ]);
    blocks.push(
      [
        `${counted(logged.length, "certificate")} that only Certificate Transparency knows: pick with --pick SERIAL`,
        "",
        ...renderTable(columns, rows, screen),
        ...more,
      ].join("\n"),
    );
  }
  return blocks.join("\n\n");
}

function runText({ source, found, problems, startedAt, finishedAt }: DiscoveryRunEntry, screen: Screen): string {
  const seconds = Math.round((Date.parse(finishedAt) - Date.parse(startedAt)) / 1_000);
  const shown = problems.slice(0, PROBLEMS_SHOWN_MAX);
  const more = problems.length > shown.length ? [`and ${problems.length - shown.length} more: --json has all`] : [];
  return [
    `${source}: ${counted(found, "certificate")}${seconds === 0 ? "" : ` in ${seconds} s`}`,
    ...[...shown, ...more].map((problem) => `  ${paint(screen, "caution", "!")} ${inert(problem)}`),
  ].join("\n");
}

function tableOf(certificates: readonly InventoryRow[], at: string, screen: Screen): string[] {
  const columns = [
    { title: "FINGERPRINT" },
    { title: "NAMES", widthMin: 16, wraps: true },
    { title: "ENDS" },
    { title: "MANAGED" },
    { title: "PLACES", widthMin: 20, wraps: true },
  ];
  return renderTable(
    columns,
    certificates.map((row) => [
      row.fingerprint.slice(0, DIGITS),
      namesText(row.names, row.subject),
      fromNow(row.notAfter, at),
      managementCell(row),
      placesText(row),
    ]),
    screen,
  );
}

function managementCell({ management, certificate, ignored }: InventoryRow): Cell {
  if (management === "managed") return { text: certificate ?? "managed", style: STYLES.managed };
  if (ignored !== null)
    return { text: `ignored until ${ignored.until.slice(0, 10)}: ${ignored.reason}`, style: "faint" };
  return { text: management === "watched" ? "watched" : "nobody", style: STYLES[management] };
}

function namesText(names: readonly string[], subject: string): string {
  if (names.length === 0) return subject;
  const more = names.length > NAMES_SHOWN_MAX ? ` and ${names.length - NAMES_SHOWN_MAX} more` : "";
  return `${names.slice(0, NAMES_SHOWN_MAX).join(", ")}${more}`;
}

function placesText({ places }: InventoryRow): string {
  const more = places.length > PLACES_SHOWN_MAX ? `; and ${places.length - PLACES_SHOWN_MAX} more` : "";
  return `${places
    .slice(0, PLACES_SHOWN_MAX)
    .map(({ place }) => place)
    .join("; ")}${more}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
