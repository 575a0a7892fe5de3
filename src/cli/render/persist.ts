import { inert } from "../../domain/text.ts";
import type { PersistRecord, PersistReport } from "../../reports/persist.ts";
import { paint, type Screen } from "../terminal/style.ts";

const STATE = {
  right: "every name server has it",
  missing: "missing",
  wrong: "wrong",
  unknown: "not certain",
} as const;

/** No record may be cut or wrapped: people copy them. */
export function renderPersist({ accounts, records }: PersistReport, screen: Screen): string {
  const lines = accounts.flatMap(({ issuer, url }) => [
    `For issuer ${inert(issuer)}, account ${inert(url)}:`,
    ...records.filter((each) => each.issuer === issuer).flatMap((record) => linesOf(record, screen)),
    "",
  ]);
  return lines.slice(0, -1).join("\n");
}

function linesOf({ zoneFile, state, found }: PersistRecord, screen: Screen): string[] {
  const text = found === null ? STATE[state] : `${STATE[state]}: ${inert(found)}`;
  const shown = state === "right" ? text : paint(screen, state === "unknown" ? "caution" : "wrong", text);
  return [inert(zoneFile), `  in DNS: ${shown}`];
}
