import pLimit from "p-limit";
import type { Certificate } from "../../domain/certificate.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { Identifier } from "../../domain/identifier.ts";
import type { NamedSolver } from "../../domain/issuer.ts";
import { solversFor } from "../../domain/solverChoice.ts";
import type { Context } from "../context.ts";

const NAMES_AT_ONCE = 4;
const NAME_TIMEOUT_MS = 30_000;
const ROWS_MAX = 10_000;

/** A TXT value where renewd publishes, without a row: an older client, or another one, left it or is using it. */
export interface ForeignAnswer {
  readonly certificate: string;
  readonly identifier: string;
  readonly solver: string;
  /** The TXT record's name. */
  readonly name: string;
  readonly value: string;
}

export interface ForeignAnswers {
  readonly found: readonly ForeignAnswer[];
  /** Names that could not be looked up, and why. */
  readonly unknown: readonly { readonly identifier: string; readonly solver: string; readonly why: string }[];
}

interface OperatorContext {
  readonly store: Pick<Context["store"], "dns">;
  readonly services: Pick<Context["services"], "solver" | "solvers">;
}

/** Asks the DNS providers what is published at the names of these certificates. */
export async function findForeignAnswers(
  context: OperatorContext,
  certificates: readonly Certificate[],
  signal: AbortSignal,
): Promise<ForeignAnswers> {
  const limit = pLimit(NAMES_AT_ONCE);
  const places = certificates.flatMap((certificate) => placesOf(context, certificate));
  const looked = await Promise.all(places.map((place) => limit(() => look(context, place, signal))));
  return { found: looked.flatMap(({ found }) => found), unknown: looked.flatMap(({ unknown }) => unknown) };
}

/** Removes one value, or every foreign one, of a certificate's names; only a person asks for that. */
export async function removeForeignAnswers(
  context: OperatorContext,
  certificate: Certificate,
  value: string,
  signal: AbortSignal,
): Promise<readonly ForeignAnswer[]> {
  const { found } = await findForeignAnswers(context, [certificate], signal);
  const chosen = found.filter((each) => value === "all" || each.value === value);
  if (chosen.length === 0)
    throw new RenewalError("request.invalid", `no foreign value ${JSON.stringify(value)} is published for its names`);
  for (const { solver, identifier, value: one } of chosen) {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(NAME_TIMEOUT_MS)]);
    await context.services.solver(solver).dns?.remove({ type: "dns", value: identifier }, one, bounded);
  }
  return chosen;
}

interface Place {
  readonly certificate: string;
  readonly identifier: Identifier;
  readonly named: NamedSolver;
}

/** Apex and wildcard share one place. */
function placesOf({ services }: OperatorContext, { name, identifiers, solvers }: Certificate): Place[] {
  const all = services.solvers({ solvers });
  const places = new Map<string, Place>();
  for (const identifier of identifiers) {
    const named = solversFor(all, identifier).find(({ solver }) => solver.dns !== undefined);
    const bare = identifier.value.replace(/^\*\./, "");
    if (named !== undefined) places.set(bare, { certificate: name, identifier: { type: "dns", value: bare }, named });
  }
  return [...places.values()];
}

async function look(
  { store }: OperatorContext,
  { certificate, identifier, named }: Place,
  signal: AbortSignal,
): Promise<ForeignAnswers> {
  const about = { identifier: identifier.value, solver: named.name };
  try {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(NAME_TIMEOUT_MS)]);
    const place = await named.solver.dns?.values(identifier, bounded);
    if (place === undefined || place.values === null)
      return { found: [], unknown: [{ ...about, why: "the provider cannot list what is published" }] };
    const own = new Set(
      (await store.dns.records.list(ROWS_MAX)).filter(({ name }) => name === place.name).map(({ value }) => value),
    );
    const foreign = place.values.filter((value) => !own.has(value));
    return { unknown: [], found: foreign.map((value) => ({ ...about, certificate, name: place.name, value })) };
  } catch (thrown) {
    signal.throwIfAborted();
    return { found: [], unknown: [{ ...about, why: toRenewalError(thrown).message }] };
  }
}
