import { z } from "zod";
import {
  DNS_PERSIST,
  judgePersist,
  type StandingAccount,
  type StandingName,
  type StandingVerdict,
} from "../domain/dnsPersist.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Solver } from "../domain/issuer.ts";
import type { Plugin } from "../domain/plugin.ts";
import { persistName } from "./dns/challenge.ts";
import type { DnsDependencies } from "./dns/dependencies.ts";
import { createLookup, type Lookup } from "./dns/lookup.ts";
import { resolversOption } from "./dns/options.ts";
import { type Judgement, judgeAuthoritative } from "./dns/propagation.ts";

/** CAs follow about as many CNAMEs. */
const HOPS_MAX = 8;
/** Names above one that are looked at for a record that covers it. */
const PARENTS_MAX = 5;

const options = z.strictObject({
  experimental: z
    .literal(true, "dns-persist-01 is an Internet-Draft and may change: `experimental: true` says that you know")
    .describe("Must be `true`: dns-persist-01 is an Internet-Draft (draft-ietf-acme-dns-persist-02) and may change."),
  resolvers: resolversOption,
});

/**
 * One TXT record for each name, created once by people, proves control in every order (draft-ietf-acme-dns-persist):
 * no credential, nothing to publish, and nothing that a token would be needed for. It is checked before the CA is asked.
 */
export const dnsPersist01: Plugin<z.infer<typeof options>, Pick<DnsDependencies, "now" | "dnsPort">, Solver> = {
  type: DNS_PERSIST,
  challengeType: DNS_PERSIST,
  description:
    "One TXT record per name that you create once (`renewd challenges persist`): no DNS credential, wildcards too; " +
    "experimental, for CAs that offer dns-persist-01.",
  options,
  create({ resolvers = [] }, { now, dnsPort = 53 }) {
    const lookup = createLookup({ resolvers, port: dnsPort });
    const standing = (name: StandingName, account: StandingAccount, signal: AbortSignal): Promise<StandingVerdict> =>
      standingAt(lookup, name, account, { now: now(), signal });
    return {
      challengeType: DNS_PERSIST,
      standing,
      async present({ token, standing: about }, signal) {
        signal.throwIfAborted();
        if (token !== "" || about === undefined)
          throw new RenewalError("solver.failed", "A dns-persist-01 challenge has no token (draft -02 §3.1).");
      },
      async cleanUp(_challenge, signal) {
        signal.throwIfAborted();
      },
      async readiness({ identifier, standing: about }, signal) {
        if (about === undefined)
          throw new RenewalError("solver.failed", "A dns-persist-01 challenge without the names of its CA.");
        const name = { domain: identifier.value, wildcard: about.wildcard };
        const verdict = await standing(name, about.account, signal);
        if (verdict.kind === "valid") return { ready: true, note: null };
        const place = persistName(identifier);
        if (verdict.kind === "unknown")
          return { ready: true, note: `${place}: ${verdict.why}; the CA is asked anyway` };
        throw new RenewalError("dns.persist", `The CA would find no usable record at ${place}: ${verdict.why}.`);
      },
    };
  },
};

async function standingAt(
  lookup: Lookup,
  name: StandingName,
  account: StandingAccount,
  { now, signal }: { readonly now: number; readonly signal: AbortSignal },
): Promise<StandingVerdict> {
  const own = await recordsFor(lookup, name, account, { now, signal });
  if (own.kind !== "missing") return own;
  const labels = name.domain.split(".");
  for (let level = 1; level < labels.length - 1 && level <= PARENTS_MAX; level++) {
    const parent = { domain: labels.slice(level).join("."), wildcard: true };
    if ((await recordsFor(lookup, parent, account, { now, signal })).kind !== "valid") continue;
    // Draft -02 §6: a CA may accept it, and need not.
    return { kind: "unknown", why: `it has no record of its own; the one of ${parent.domain} covers it at some CAs` };
  }
  return own;
}

/** Every authoritative server has to have a good record: CAs ask from several places. */
async function recordsFor(
  lookup: Lookup,
  name: StandingName,
  account: StandingAccount,
  { now, signal }: { readonly now: number; readonly signal: AbortSignal },
): Promise<StandingVerdict> {
  const place = await aliasEnd(lookup, persistName({ type: "dns", value: name.domain }), signal);
  const found: StandingVerdict[] = [];
  const judge = (values: readonly string[]): Judgement => {
    const verdict = judgePersist(values, account, name, now);
    found.push(verdict);
    if (verdict.kind === "valid") return { state: "has", detail: "" };
    return { state: verdict.kind === "unknown" ? "unsure" : "lacks", detail: verdict.why };
  };
  const verdict = await judgeAuthoritative(lookup, { name: place, judge, oneSource: false }, signal);
  if (verdict.kind === "unknown" || verdict.kind === "sure") return { kind: "unknown", why: verdict.why };
  if (verdict.kind === "missing")
    return { kind: found.every(({ kind }) => kind === "missing") ? "missing" : "wrong", why: verdict.why };
  const ends = found.filter((each) => each.kind === "valid").toSorted((a, b) => endOf(a) - endOf(b));
  return ends[0] ?? { kind: "unknown", why: "no name server was asked" };
}

function endOf({ until }: Extract<StandingVerdict, { kind: "valid" }>): number {
  return until ?? Number.POSITIVE_INFINITY;
}

/** As a CA's resolver does: also aliases that a wildcard makes. */
async function aliasEnd(lookup: Lookup, name: string, signal: AbortSignal): Promise<string> {
  let at = name;
  for (let hop = 0; hop < HOPS_MAX; hop++) {
    const target = await lookup.alias(at, signal).catch(() => null);
    signal.throwIfAborted();
    if (target === null) break;
    at = target;
  }
  return at;
}
