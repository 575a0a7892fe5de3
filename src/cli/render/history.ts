import { isActive, type RenewalState } from "../../domain/renewal.ts";
import { formatDuration } from "../../domain/time.ts";
import type { HistoryReport } from "../../reports/history.ts";
import { spoken } from "../../reports/instant.ts";
import type { Screen } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";
import { reasonText } from "./reason.ts";

export function renderHistory({ renewals, decisions, more }: HistoryReport, screen: Screen): string {
  const table = renewals.length === 0 ? ["no renewals match"] : renewalLines(renewals, more, screen);
  return [...table, ...decisionLines(decisions, screen)].join("\n");
}

function decisionLines(decisions: HistoryReport["decisions"], screen: Screen): string[] {
  if (decisions.length === 0) return [];
  const columns = [
    { title: "DECIDED" },
    { title: "CERTIFICATE", widthMin: 12 },
    { title: "WHAT", widthMin: 20, wraps: true },
    { title: "BY", widthMin: 8, dropOrder: 1 },
  ];
  const rows = decisions.map(({ at, certificate, what, by, process }): Cell[] => [
    spoken(at),
    certificate ?? "-",
    what,
    by ?? process,
  ]);
  return ["", ...renderTable(columns, rows, screen)];
}

function renewalLines(renewals: HistoryReport["renewals"], more: boolean, screen: Screen): string[] {
  const columns = [
    { title: "STARTED" },
    { title: "CERTIFICATE", widthMin: 12 },
    { title: "REASON", widthMin: 8, dropOrder: 2 },
    { title: "BY", dropOrder: 4 },
    { title: "OUTCOME" },
    { title: "TOOK", align: "right" as const, dropOrder: 3 },
    { title: "SERIAL", widthMin: 12, expendable: true, dropOrder: 5 },
    { title: "RENEWAL" },
    { title: "ERROR", widthMin: 16, dropOrder: 1 },
  ];
  const rows = renewals.map((each): Cell[] => [
    spoken(each.startedAt),
    each.certificate,
    reasonText(each.reason, each.trigger),
    each.trigger === "request" ? "person" : each.trigger,
    outcomeCell(each.state),
    formatDuration(each.durationMs),
    each.serial ?? "-",
    each.id.slice(0, 8),
    each.errorCode === null ? "" : `${each.errorCode}: ${each.errorMessage ?? ""}`,
  ]);
  return [...renderTable(columns, rows, screen), ...(more ? [`… older ones are left out: raise --limit`] : [])];
}

/**
 * A renewal succeeds by handshakes only, or without any where no endpoint is configured: so its outcome is not shown as
 * proof.
 */
export function outcomeCell(state: RenewalState): Cell {
  if (isActive(state)) return { text: state, style: "strong" };
  if (state === "succeeded") return state;
  return { text: state, style: state === "cancelled" ? "caution" : "wrong" };
}
