import { z } from "zod";
import { plainTxt, relativeName } from "../provider.ts";
import { defineRestProvider } from "../rest/defineRestProvider.ts";
import { get, path, put } from "../rest/request.ts";

/** `detail`, or an object or list with the errors of each field. */
const failure = z.union([
  z.object({ detail: z.string() }).transform(({ detail }) => detail),
  z.record(z.string(), z.array(z.string())).transform(fields),
  z.array(z.record(z.string(), z.array(z.string()))).transform((all) => all.map(fields).join("; ")),
]);

const owning = z.array(z.object({ name: z.string() }));

function fields(given: Readonly<Record<string, readonly string[]>>): string {
  return Object.entries(given)
    .map(([name, texts]) => `${name}: ${texts.join(" ")}`)
    .join("; ");
}

export const desec = defineRestProvider({
  type: "desec",
  description: "deSEC.",
  docs: "https://desec.readthedocs.io/en/latest/dns/rrsets.html",
  base: "https://desec.io/api/v1",
  secrets: { token: "API token that may write the zone; a policy may limit it to `_acme-challenge`." },
  auth: ({ token }) => ({ headers: { authorization: `Token ${token}` } }),
  failure(body, status) {
    // A successful list has arrays, too.
    const { data } = status < 400 ? { data: undefined } : failure.safeParse(body);
    return data === undefined ? null : { text: data };
  },
  // The one that is responsible for the name: accounts may have thousands.
  async zones(open, name, signal) {
    const domains = await (await open(signal)).call(get(path`/domains/?owns_qname=${name}`), owning, signal);
    return domains.map((domain) => ({ id: domain.name, name: domain.name }));
  },
  model: "rrset",
  read: {
    request: (zone, name) => get(path`/domains/${zone.id}/rrsets/${relativeName(name, zone)}/TXT/`),
    read: z
      .object({ records: z.array(z.string()), ttl: z.number() })
      .transform(({ records, ttl }) => ({ values: records.map(plainTxt), ttlS: ttl })),
  },
  // One set of a bulk request is created, changed or, without records, deleted.
  replace: (zone, { name, ttlS }, { values }) =>
    put(path`/domains/${zone.id}/rrsets/`, [
      { subname: relativeName(name, zone, ""), type: "TXT", ttl: ttlS, records: values.map((value) => `"${value}"`) },
    ]),
  traits: { ttlMinS: 3600, propagationMaxMs: 300_000, rateLimit: { requests: 2, perMs: 1_000 } },
});
