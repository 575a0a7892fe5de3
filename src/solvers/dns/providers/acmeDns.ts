import { z } from "zod";
import { DNS_NAME } from "../options.ts";
import { defineRestProvider } from "../rest/defineRestProvider.ts";
import { post } from "../rest/request.ts";

const failure = z.object({ error: z.string() });

/** One account has one name with the two newest values; there is nothing to list and nothing to remove. */
export const acmeDns = defineRestProvider({
  type: "acme-dns",
  description: "An acme-dns server, for one delegated name.",
  docs: "https://github.com/joohoi/acme-dns#update-endpoint",
  base: null,
  secrets: { user: "`username` of the registration.", password: "`password` of the registration." },
  options: {
    subdomain: z.string().min(1).max(63).describe("`subdomain` of the registration."),
    fullDomain: z
      .string()
      .regex(DNS_NAME, "give a DNS name in lower case without a final dot")
      .describe("`fulldomain` of the registration: where `_acme-challenge` of the certificate's name points by CNAME."),
  },
  auth: ({ user, password }) => ({ headers: { "x-api-user": user, "x-api-key": password } }),
  failure(body) {
    const { data } = failure.safeParse(body);
    if (data === undefined) return null;
    // "forbidden" and "bad_subdomain": these credentials are not for this name.
    const isForbidden = ["forbidden", "bad_subdomain"].includes(data.error);
    return { text: data.error, ...(isForbidden && { code: "dns.credentials" }) };
  },
  zones: async (_open, _name, _signal, { fullDomain }) => [
    { id: String(fullDomain), name: String(fullDomain), isAssumed: true },
  ],
  model: "own",
  txt: (open, { subdomain }) => ({
    model: "record",
    async create(_zone, _place, value, signal) {
      const api = await open(signal);
      await api.call(post("/update", { subdomain, txt: value }), z.object({ txt: z.string() }), signal);
      return null;
    },
    async remove(_zone, _place, _record, signal) {
      signal.throwIfAborted();
    },
  }),
  traits: { valuesPerName: 2, propagationMaxMs: 120_000 },
});
