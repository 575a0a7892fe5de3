import type { IncomingHttpHeaders } from "node:http";

/**
 * Targets of the links with this relation, such as `Link: <https://ca/cert/1/1>;rel="alternate"`; several links are
 * joined by commas (RFC 8288 §3). They may be relative.
 */
export function linksOf({ link }: IncomingHttpHeaders, relation: string): string[] {
  const links = [link ?? []].flat().join(", ");
  return [...links.matchAll(/<([^<>]{1,2000})>([^<]{0,500})/g)]
    .filter(([, , parameters = ""]) => hasRelation(parameters, relation))
    .map(([, url = ""]) => url);
}

/** A link may have several relations, separated by spaces. Names of parameters and relations ignore case. */
function hasRelation(parameters: string, relation: string): boolean {
  const [, quoted, plain] = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/i.exec(parameters) ?? [];
  return (quoted ?? plain ?? "").toLowerCase().split(/\s+/).includes(relation);
}
