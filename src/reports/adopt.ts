import type { Version } from "../domain/version.ts";

/**
 * What to add to the configuration so that renewd manages what is served there; its issuer where that is configured.
 */
export function adoptionSnippet(
  { certificate, leaf, issuer }: Pick<Version, "certificate" | "leaf" | "issuer">,
  servedAt: readonly string[],
  issuers: readonly string[],
): string {
  const list = (values: readonly string[]): string =>
    values.map((value) => `      - ${JSON.stringify(value)}`).join("\n");
  return [
    "certificates:",
    `  ${certificate}:`,
    "    names:",
    list(leaf.identifiers.map(({ value }) => value)),
    ...(issuers.includes(issuer) ? [`    issuer: ${issuer}`] : []),
    "    endpoints:",
    list(servedAt),
    "",
  ].join("\n");
}
