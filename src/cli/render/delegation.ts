import type { DelegationRecord, DelegationReport } from "../../reports/delegation.ts";
import type { Screen } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";

const STATE = {
  right: "right",
  missing: "missing",
  wrong: "wrong",
  unknown: "not checked",
} as const;

export function renderDelegation({ solver, aliases, delegation }: DelegationReport, screen: Screen): string {
  const parts = [
    ...(aliases.length === 0 ? [] : [`For the zone of the names (solver ${solver}):`, ...tableOf(aliases, screen), ""]),
    "For the parent of the delegated zone, with the addresses as glue:",
    ...tableOf(delegation, screen),
    ...whyUnchecked([...aliases, ...delegation]),
  ];
  return parts.join("\n");
}

function tableOf(records: readonly DelegationRecord[], screen: Screen): string[] {
  // None may be cut: people copy them.
  const columns = [{ title: "NAME" }, { title: "TYPE" }, { title: "VALUE" }, { title: "IN DNS" }];
  const rows = records.map(({ name, type, value, state, found }): Cell[] => [
    `${name}.`,
    type,
    type === "CNAME" || type === "NS" ? `${value}.` : value,
    stateCell(state, found),
  ]);
  return renderTable(columns, rows, screen);
}

function whyUnchecked(records: readonly DelegationRecord[]): string[] {
  const why = new Set(records.flatMap(({ problem }) => problem ?? []));
  if (why.size === 0) return [];
  const start = "A delegated zone is answered by renewd itself: until it runs, resolvers cannot look up its records.";
  return ["", "Not checked:", ...[...why].map((each) => `- ${each}`), start];
}

function stateCell(state: DelegationRecord["state"], found: string | null): Cell {
  const text = found === null ? STATE[state] : `${STATE[state]}: ${found}`;
  return state === "right" || state === "unknown" ? text : { text, style: "wrong" };
}
