import { z } from "zod";
import { defineRestProvider } from "../rest/defineRestProvider.ts";
import { get, path } from "../rest/request.ts";

const SUFFIX = ".duckdns.org";

/** One TXT value for the whole subdomain, shown at every name below it; there is no list. */
export const duckdns = defineRestProvider({
  type: "duckdns",
  description: "Duck DNS.",
  docs: "https://www.duckdns.org/spec.jsp",
  base: "https://www.duckdns.org",
  answers: "text",
  secrets: { token: "The account's token." },
  auth: ({ token }) => ({ query: { token } }),
  // All it ever says is OK or KO, and KO is what a wrong token or domain gets.
  failure: (body) =>
    typeof body === "string" && body.trim().startsWith("KO")
      ? { text: "KO: the token is wrong, or the domain is not the account's", code: "dns.credentials" }
      : null,
  async zones(_open, name) {
    if (!name.endsWith(SUFFIX)) return [];
    const [label = ""] = name.slice(0, -SUFFIX.length).split(".").slice(-1);
    return label === "" ? [] : [{ id: label, name: `${label}${SUFFIX}`, isAssumed: true }];
  },
  model: "record",
  create: {
    request: (zone, _place, value) => get(path`/update?domains=${zone.id}&txt=${value}`),
    id: z.string().transform(() => null),
  },
  remove: (zone, _place, { value }) => get(path`/update?domains=${zone.id}&txt=${value}&clear=true`),
  traits: { valuesPerName: 1, sequential: true, propagationMaxMs: 600_000 },
});
