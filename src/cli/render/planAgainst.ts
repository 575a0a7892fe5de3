import { inert } from "../../domain/text.ts";
import type { ChangedCertificate, PlanAgainstReport } from "../../reports/planAgainst.ts";
import { paint, type Screen } from "../terminal/style.ts";

const MARK = { added: "+", renamed: "~", changed: "~", removed: "-" } as const;

export function renderPlanAgainst(report: PlanAgainstReport, screen: Screen): string {
  const lines = report.certificates.flatMap((entry) => [
    paint(screen, "strong", `${MARK[entry.change]} ${entry.certificate}: ${effectsOf(entry).join("; ")}`),
    ...[...entry.differences, ...entry.incompatible.map((what) => `cannot be deployed: ${what}`)].map(
      (line) => `    ${inert(line)}`,
    ),
  ]);
  return [...lines, ...footOf(report).map(inert)].join("\n");
}

/** For a pull request: a table that shows what applying the change does. What it names cannot become markup. */
export function renderPlanMarkdown(report: PlanAgainstReport): string {
  const rows = report.certificates.map((entry) => {
    const details = [...entry.differences, ...entry.incompatible.map((what) => `cannot be deployed: ${what}`)];
    return `| ${code(entry.certificate)} | ${entry.change} | ${effectsOf(entry).map(cell).join("<br>")} | ${details.map(cell).join("<br>")} |`;
  });
  const table =
    rows.length === 0 ? [] : ["| certificate | change | what happens | difference |", "|---|---|---|---|", ...rows, ""];
  return [
    "### What this change does to certificates",
    "",
    ...table,
    ...footOf(report).map((line) => `- ${cell(line)}`),
  ].join("\n");
}

function effectsOf({ change, renamedFrom, orders, deploysTo, leaves }: ChangedCertificate): string[] {
  const effects = [
    renamedFrom === null ? null : `renamed from ${renamedFrom}, and keeps its pair`,
    orders ? "a new certificate is ordered at once" : null,
    deploysTo.length > 0 ? `deployed to ${deploysTo.join(", ")}` : null,
    leaves.length > 0
      ? `${leaves.join(", ")} ${leaves.length === 1 ? "keeps" : "keep"} the pair, which nothing renews`
      : null,
    change === "removed" ? "not renewed any more" : null,
  ].filter((each) => each !== null);
  return effects.length === 0 ? ["nothing at once: it holds from the next renewal on"] : effects;
}

function footOf({ certificates, unchanged, orders, sections }: PlanAgainstReport): string[] {
  const noun = (count: number, word: string): string => `${count} ${word}${count === 1 ? "" : "s"}`;
  return [
    `${noun(certificates.length, "certificate")} differ${certificates.length === 1 ? "s" : ""}, ${unchanged} stay${unchanged === 1 ? "s" : ""} as ${unchanged === 1 ? "it is" : "they are"}`,
    ...orders.map(({ issuer, count, allowed }) => {
      const limit = allowed === null ? "" : `; the CA allows ${allowed} at once`;
      return `${noun(count, "new order")} at ${issuer}${limit}${allowed !== null && count > allowed ? ": not all at once" : ""}`;
    }),
    ...(sections.length === 0 ? [] : [`other sections that differ: ${sections.join(", ")}`]),
  ];
}

function cell(text: string): string {
  return inert(text)
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replace(/[\\`*_{}[\]()#|~@!]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function code(text: string): string {
  return `\`${inert(text).replaceAll("`", "'").replaceAll("|", "\\|")}\``;
}
