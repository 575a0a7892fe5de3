import type { Answer } from "dns-packet";
import { RenewalError } from "../../domain/errors.ts";
import { ask, serverName } from "./client.ts";
import type { Lookup, NameServer } from "./lookup.ts";
import type { ResolverOption } from "./options.ts";

/** What one server said about the value. */
export interface Sighting {
  readonly server: string;
  readonly state: "has" | "unsure" | "lacks" | "failed" | "unreachable";
  /** Except for `has`: why. */
  readonly detail: string;
}

/** What is made of the TXT values of one server. */
export interface Judgement {
  readonly state: "has" | "unsure" | "lacks";
  readonly detail: string;
}

export type Verdict =
  | { readonly kind: "everywhere" }
  /** At least one server answers without the value, or with an error. */
  | { readonly kind: "missing"; readonly why: string }
  /** Nobody lacks it, but not every server could be asked. */
  | { readonly kind: "unknown"; readonly why: string }
  /** As unknown, but one server has it, and the others answer from the same source. */
  | { readonly kind: "sure"; readonly why: string };

export interface Wanted {
  readonly name: string;
  readonly value: string;
}

export interface AskAuthoritative extends Wanted {
  /** What one of the zone's servers has, all have: see `ProviderTraits`. */
  readonly oneSource: boolean;
}

/** With one source, how much longer than the first server that has the value the others may take to contradict it. */
const CONTRADICTION_MS = 1_500;

/** Asks every authoritative server of the zone that DNS says holds the name. */
export function askAuthoritative(
  lookup: Lookup,
  { oneSource, ...wanted }: AskAuthoritative,
  signal: AbortSignal,
): Promise<Verdict> {
  return judgeAuthoritative(lookup, { ...judging(wanted), oneSource }, signal);
}

interface Judged {
  readonly name: string;
  judge(values: readonly string[]): Judgement;
}

function judging({ name, value }: Wanted): Judged {
  const judge = (values: readonly string[]): Judgement =>
    values.includes(value) ? { state: "has", detail: "" } : { state: "lacks", detail: "does not have it" };
  return { name, judge };
}

/** As `askAuthoritative`, where more than one value would do. */
export async function judgeAuthoritative(
  lookup: Lookup,
  { oneSource, ...wanted }: Judged & Pick<AskAuthoritative, "oneSource">,
  signal: AbortSignal,
): Promise<Verdict> {
  let servers: readonly NameServer[];
  try {
    servers = await lookup.nameServers(await lookup.zoneOf(wanted.name, signal), signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof RenewalError) || error.code !== "dns.unreachable") throw error;
    return { kind: "unknown", why: error.message };
  }
  // A machine that is dead needs many seconds to say nothing. Nobody waits for that once another has the value.
  const enough = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const seen = (): void => {
    if (oneSource) timer ??= setTimeout(() => enough.abort(new Error("no answer yet")), CONTRADICTION_MS);
  };
  const asking = { ...wanted, recurse: false, patience: enough.signal, seen };
  const sightings = await Promise.all(servers.map((server) => sightingAt(server, asking, signal))).finally(() =>
    clearTimeout(timer),
  );
  const verdict = verdictOf(sightings);
  const isSure = oneSource && verdict.kind === "unknown" && sightings.some(({ state }) => state === "has");
  return isSure ? { ...verdict, kind: "sure" } : verdict;
}

/** Asks the resolvers that were chosen. Their caches may still say that there is nothing. */
export async function askResolvers(
  resolvers: readonly ResolverOption[],
  wanted: Wanted,
  signal: AbortSignal,
): Promise<Verdict> {
  const asking = { ...judging(wanted), recurse: true };
  return verdictOf(await Promise.all(resolvers.map((each) => lookAt(each, serverName(each), asking, signal))));
}

export function verdictOf(sightings: readonly Sighting[]): Verdict {
  const bad = sightings.find(({ state }) => state === "lacks") ?? sightings.find(({ state }) => state === "failed");
  if (bad !== undefined) return { kind: "missing", why: `${bad.server} ${bad.detail}` };
  const unsure = sightings.find(({ state }) => state === "unsure");
  if (unsure !== undefined) return { kind: "unknown", why: `${unsure.server} ${unsure.detail}` };
  const silent = sightings.filter(({ state }) => state === "unreachable");
  if (sightings.length === 0) return { kind: "unknown", why: "the zone has no name servers in DNS" };
  if (silent.length === 0) return { kind: "everywhere" };
  const [first] = silent;
  const others = silent.length > 1 ? ` (and ${silent.length - 1} more)` : "";
  return { kind: "unknown", why: `${first?.server} cannot be reached from here${others}: ${first?.detail}` };
}

/**
 * A name server counts as unreachable only when none of its addresses answers: a machine without IPv6 reaches no AAAA.
 * An address that lacks the value counts whatever the others say.
 */
async function sightingAt({ name, addresses }: NameServer, asking: Asking, signal: AbortSignal): Promise<Sighting> {
  const each = await Promise.all(
    addresses.map((address) => lookAt(address, `${name} (${serverName(address)})`, asking, signal)),
  );
  const order = ["lacks", "failed", "unsure", "has", "unreachable"] as const;
  const worst = order.flatMap((state) => each.find((sighting) => sighting.state === state) ?? [])[0];
  return worst ?? { server: name, state: "unreachable", detail: "it has no address" };
}

interface Asking extends Judged {
  readonly recurse: boolean;
  /** Aborted: who has not answered by then counts as unreachable. */
  readonly patience?: AbortSignal;
  /** Called when a server has the value. */
  readonly seen?: () => void;
}

async function lookAt(
  server: ResolverOption,
  shown: string,
  { name, judge, recurse, patience, seen }: Asking,
  signal: AbortSignal,
): Promise<Sighting> {
  try {
    const ends = patience === undefined ? signal : AbortSignal.any([signal, patience]);
    const { rcode, answers } = await ask(server, { name, type: "TXT" }, { recurse }, ends);
    if (rcode !== "NOERROR" && rcode !== "NXDOMAIN")
      return { server: shown, state: "failed", detail: `answers ${rcode}` };
    const judgement = judge(txtValues(answers));
    if (judgement.state === "has") seen?.();
    return { server: shown, ...judgement };
  } catch (error) {
    signal.throwIfAborted();
    return { server: shown, state: "unreachable", detail: error instanceof Error ? error.message : String(error) };
  }
}

/** The values at the end of any CNAMEs in the answer. */
export function txtValues(answers: readonly Answer[]): string[] {
  return answers.flatMap((answer) => {
    if (answer.type !== "TXT") return [];
    const chunks = Array.isArray(answer.data) ? answer.data : [answer.data];
    return [chunks.map((chunk) => chunk.toString()).join("")];
  });
}
