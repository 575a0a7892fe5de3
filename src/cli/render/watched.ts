import { responsibilityLine } from "../../domain/responsibility.ts";
import { inert } from "../../domain/text.ts";
import type { WatchState } from "../../domain/watched.ts";
import { ago, fromNow, spoken } from "../../reports/instant.ts";
import type { WatchedEntry, WatchedReport } from "../../reports/watched.ts";
import { paint, type Screen, type Style } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";

/** Only what was seen to be well is shown so. */
const STYLES: Readonly<Record<WatchState, Style>> = {
  ...{ good: "proved", unseen: "faint", unverifiable: "caution", ending: "caution", stale: "caution" },
  ...{ unreachable: "wrong", badChain: "wrong", wrongCertificate: "wrong", notValid: "wrong" },
};

export const WATCH_WORDS: Readonly<Record<WatchState, string>> = {
  good: "good",
  unseen: "not looked at",
  unverifiable: "not verifiable",
  ending: "ends soon",
  stale: "stale",
  unreachable: "unreachable",
  badChain: "bad chain",
  wrongCertificate: "wrong certificate",
  notValid: "not valid",
};

export function renderWatched({ endpoints, at }: WatchedReport, screen: Screen): string {
  if (endpoints.length === 0)
    return "nothing is watched yet: name endpoints in `watch:` of the configuration; `renewd run`, or its planner, takes them up";
  const isNamed = endpoints.some((each) => responsibilityLine(each) !== null);
  const columns = [
    { title: "NAME" },
    { title: "STATE" },
    { title: "EXPIRES" },
    { title: "LOOKED AT" },
    ...(isNamed ? [{ title: "RESPONSIBLE", widthMin: 8, dropOrder: 1 }] : []),
    { title: "WHAT WAS SEEN", widthMin: 20, wraps: true },
  ];
  const rows = endpoints.map((each): Cell[] => [
    inert(each.name),
    { text: WATCH_WORDS[each.state], style: STYLES[each.state] },
    each.expiresAt === null ? "–" : fromNow(each.expiresAt, at),
    each.lookedAt === null ? "never" : ago(each.lookedAt, at),
    ...(isNamed ? [inert(each.owner ?? each.team ?? "–")] : []),
    inert(each.errorMessage ?? placeOf(each)),
  ]);
  return renderTable(columns, rows, screen).join("\n");
}

export function renderWatchedOne(entry: WatchedEntry, at: string, screen: Screen): string {
  const { name, state, since, lookedAt, nextLookAt, errorMessage, errorCode } = entry;
  const who = responsibilityLine(entry);
  const facts = [
    `${inert(name)}: ${paint(screen, STYLES[state], WATCH_WORDS[state])}${since === null ? "" : ` since ${spoken(since)}`}`,
    `${inert(placeOf(entry))}; looked at ${lookedAt === null ? "never" : ago(lookedAt, at)}, next ${fromNow(nextLookAt, at)}`,
    ...(errorMessage === null ? [] : [`${inert(errorMessage)} (${errorCode})`]),
    ...(who === null ? [] : [inert(who)]),
  ];
  if (entry.addresses.length === 0) return facts.join("\n");
  const columns = [
    { title: "ADDRESS" },
    { title: "STATE" },
    { title: "SERIAL" },
    { title: "EXPIRES" },
    { title: "ISSUER", widthMin: 20, wraps: true },
  ];
  const rows = entry.addresses.map((each): Cell[] => [
    inert(each.address),
    { text: WATCH_WORDS[each.state], style: STYLES[each.state] },
    each.serial ?? "–",
    each.notAfter === null ? "–" : fromNow(each.notAfter, at),
    inert(each.issuer ?? each.message ?? ""),
  ]);
  return [...facts, "", ...renderTable(columns, rows, screen)].join("\n");
}

function placeOf({ host, port, sni, starttls }: WatchedEntry): string {
  const name = sni === host ? "" : `, asked for ${sni}`;
  return `${host}:${port}${name}${starttls === null ? "" : `, STARTTLS ${starttls}`}`;
}
