// The table of DNS providers in docs/dns.md, from the kinds themselves.
import { formatDuration } from "../src/domain/time.ts";
import { DNS_KINDS, type DnsKindDocs } from "../src/solvers/index.ts";

/** Beginning of the table, by which it is found in the page. */
const HEAD = "| `type` | provider | must be given | least TTL | values per name | one at a time | slowest | requests |";

export async function providerTable(): Promise<string> {
  return [
    HEAD,
    "|---|---|---|---|---|---|---|---|",
    ...(await Promise.all(DNS_KINDS.map(({ describe }) => describe()))).map(row),
  ].join("\n");
}

function row({ plugin, docs, traits, required }: DnsKindDocs): string {
  const { ttlMinS, valuesPerName, sequential, propagationMaxMs, rateLimit } = traits ?? {};
  return `| ${[
    `\`${plugin.type}\``,
    `[${plugin.description.replace(/\.$/, "").replaceAll("|", "\\|")}](${docs})`,
    required.map((name) => `\`${name}\``).join(", ") || "–",
    ttlMinS === undefined ? "–" : `${ttlMinS} s`,
    valuesPerName ?? "any",
    sequential === true ? "yes" : "no",
    formatDuration(propagationMaxMs ?? 600_000),
    rateLimit === undefined ? "–" : `${rateLimit.requests} in ${formatDuration(rateLimit.perMs)}`,
  ].join(" | ")} |`;
}
