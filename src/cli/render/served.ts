import { inert } from "../../domain/text.ts";
import { spoken } from "../../reports/instant.ts";
import type { ServedChangeEntry, ServedDiffReport, ServedMoment, ServedReport } from "../../reports/served.ts";
import { paint, type Screen } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";

const NAMES_SHOWN_MAX = 3;

export function renderServed({ asked, places }: ServedReport, screen: Screen): string {
  return places
    .map(({ place, changes, more }) => {
      const head = asked === null ? inert(place) : `${inert(place)} at ${spoken(asked)}`;
      if (changes.length === 0) return `${head}: nothing is known of that time`;
      const rest = more ? ["older ones are kept too: ask with --at"] : [];
      return [`${head}:`, ...tableOf(changes, screen), ...rest].join("\n");
    })
    .join("\n\n");
}

function tableOf(changes: readonly ServedChangeEntry[], screen: Screen): string[] {
  const columns = [
    { title: "SINCE" },
    { title: "LAST SEEN" },
    { title: "SERIAL" },
    { title: "UNTIL" },
    { title: "ISSUER, NAMES, CHAIN", widthMin: 20, wraps: true },
  ];
  const rows = changes.map(({ since, lastSeen, leaf, chain, code }): Cell[] => {
    const seen = [spoken(since), spoken(lastSeen)];
    if (leaf === null) return [...seen, { text: "nothing", style: "wrong" }, "–", inert(code ?? "")];
    const shown = leaf.names.slice(0, NAMES_SHOWN_MAX).join(", ");
    const more = leaf.names.length > NAMES_SHOWN_MAX ? ` and ${leaf.names.length - NAMES_SHOWN_MAX} more` : "";
    const above = chain.length === 0 ? "only the leaf" : `then ${chain.map(({ subject }) => subject).join(", ")}`;
    const end = leaf.notAfter === "" ? "–" : spoken(leaf.notAfter);
    return [...seen, leaf.serial, end, inert(`${leaf.issuer}; for ${shown}${more}; ${above}`)];
  });
  return renderTable(columns, rows, screen);
}

export function renderDiff({ one, other, same, differences }: ServedDiffReport, screen: Screen): string {
  const head = `${momentText(one)}\n${momentText(other)}`;
  if (same) return `${head}\n${paint(screen, "proved", "the same")}`;
  const columns = [
    { title: "WHAT" },
    { title: "THE FIRST", widthMin: 20, wraps: true },
    { title: "THE SECOND", widthMin: 20, wraps: true },
  ];
  const rows = differences.map(({ what, one: a, other: b }): Cell[] => [what, inert(a), inert(b)]);
  return [head, "", ...renderTable(columns, rows, screen)].join("\n");
}

function momentText({ place, asked, served }: ServedMoment): string {
  const since = served === null ? "nothing is known of that time" : `since ${spoken(served.since)}`;
  return `${inert(place)} at ${spoken(asked)}: ${since}`;
}
