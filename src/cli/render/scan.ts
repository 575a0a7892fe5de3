import type { Finding, FindingLevel } from "../../domain/scan.ts";
import { inert } from "../../domain/text.ts";
import { formatDuration } from "../../domain/time.ts";
import { spoken } from "../../reports/instant.ts";
import type { ScanAddressEntry, ScanChainEntry, ScanReport } from "../../reports/scan.ts";
import { paint, type Screen, type Style } from "../terminal/style.ts";
import { wrap, wrapAdvice } from "../terminal/text.ts";

const MARK: Readonly<Record<FindingLevel, { readonly sign: string; readonly style: Style | null }>> = {
  wrong: { sign: "✗", style: "wrong" },
  caution: { sign: "!", style: "caution" },
  note: { sign: "·", style: "faint" },
};
const INDENT = "  ";
const LABEL_WIDTH = 9;
const NAMES_SHOWN_MAX = 6;

/** One block for all addresses that serve the same with the same findings. */
export function renderScan(report: ScanReport, screen: Screen): string {
  const groups = grouped(report.addresses);
  const blocks = groups.map((group) => blockOf(group, report.at, screen));
  return [verdictOf(report, screen), ...blocks].join("\n\n");
}

function verdictOf({ host, port, sni, starttls, passed, leaves, addresses, at }: ScanReport, screen: Screen): string {
  const asked = [
    ...(sni === host ? [] : [`asked for ${sni}`]),
    ...(starttls === null ? [] : [`after STARTTLS of ${starttls}`]),
  ];
  const where = `${host.includes(":") ? `[${host}]` : host}:${port}${asked.length === 0 ? "" : ` (${asked.join(", ")})`}`;
  const counts = `${counted(leaves, "certificate")} at ${counted(addresses.length, "address", "addresses")}, ${spoken(at)}`;
  const answered = addresses.filter(({ certificates }) => certificates.length > 0).length;
  const verdict = passed
    ? paint(screen, "proved", "clients are served well")
    : paint(screen, "wrong", answered === 0 ? "nothing is served" : "something is wrong");
  const differ =
    grouped(
      addresses.filter(({ certificates }) => certificates.length > 0),
      (entry) => leavesOf(entry),
    ).length > 1
      ? `\n${paint(screen, "wrong", "✗")} the addresses serve different certificates: some have not loaded the newest`
      : "";
  return `${paint(screen, "strong", where)}  ${verdict} (${counts})${differ}`;
}

function grouped(
  addresses: readonly ScanAddressEntry[],
  keyOf = (entry: ScanAddressEntry): string =>
    JSON.stringify([leavesOf(entry), entry.protocol, entry.certificates.map(({ sent }) => sent), entry.findings]),
): (readonly ScanAddressEntry[])[] {
  const groups = new Map<string, ScanAddressEntry[]>();
  for (const entry of addresses) groups.set(keyOf(entry), [...(groups.get(keyOf(entry)) ?? []), entry]);
  return [...groups.values()];
}

function leavesOf({ certificates }: ScanAddressEntry): string {
  return certificates.map(({ fingerprint }) => fingerprint).join(" ");
}

function blockOf(group: readonly ScanAddressEntry[], at: string, screen: Screen): string {
  const [first] = group;
  if (first === undefined) return "";
  const how = [first.protocol, first.cipher].filter((each) => each !== null).join(" ");
  const head = `${group.map(({ address }) => address).join(", ")}${how === "" ? "" : `  ${how}`}`;
  return [
    paint(screen, "strong", head),
    ...first.certificates.flatMap((each) => certificateLines(each, at, screen)),
    ...first.findings.flatMap((finding) => findingLines(finding, screen)),
  ].join("\n");
}

function certificateLines(certificate: ScanChainEntry, at: string, screen: Screen): string[] {
  const { names, serial, notBefore, notAfter, key, signature, trust, path, issuer } = certificate;
  const more = names.length > NAMES_SHOWN_MAX ? ` and ${names.length - NAMES_SHOWN_MAX} more` : "";
  const [from, to, now] = [notBefore, notAfter, at].map((each) => Date.parse(each));
  const share = Math.max(0, Math.min(1, ((to ?? 0) - (now ?? 0)) / ((to ?? 0) - (from ?? 0))));
  const left =
    (to ?? 0) > (now ?? 0)
      ? `${formatDuration((to ?? 0) - (now ?? 0))} and ${Math.floor(share * 100)} % of its life left`
      : "over";
  const chain = path.length === 0 ? issuer || "nobody" : path.join(" ← ");
  return [
    ["names", names.length === 0 ? "none" : `${names.slice(0, NAMES_SHOWN_MAX).join(", ")}${more}`],
    ["valid", `${spoken(notBefore)} to ${spoken(notAfter)}, ${left}`],
    ["issued by", trust === "trusted" ? `${chain}, which is trusted here` : chain],
    ["key", `${key}, signed with ${signature}`],
    ["serial", serial],
  ].flatMap(([label = "", text = ""]) => {
    const [line = "", ...rest] = wrap(inert(text), screen.width - INDENT.length - LABEL_WIDTH - 1);
    const column = " ".repeat(LABEL_WIDTH + 1);
    return [
      `${INDENT}${paint(screen, "faint", label.padEnd(LABEL_WIDTH))} ${line}`,
      ...rest.map((each) => `${INDENT}${column}${each}`),
    ];
  });
}

function findingLines({ level, message, advice, id }: Finding, screen: Screen): string[] {
  const { sign, style } = MARK[level];
  const width = screen.width - 2 * INDENT.length;
  const [first = "", ...rest] = wrap(inert(`${message} [${id}]`), width);
  const fix = advice === null ? [] : wrapAdvice(inert(`fix: ${advice}`), width);
  return [
    `${INDENT}${paint(screen, style, sign)} ${first}`,
    ...[...rest, ...fix].map((line) => `${INDENT}${INDENT}${line}`),
  ];
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
