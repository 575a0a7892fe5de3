import { RenewalError } from "../domain/errors.ts";
import { canonicalSerial } from "../domain/version.ts";
import { futureOption } from "../domain/writtenTime.ts";
import { cancelReplacement, draftReplacement, startReplacement } from "../renewal/plan/replacement.ts";
import type { Selection } from "../renewal/rules/replacement.ts";
import { iso } from "../reports/instant.ts";
import { replacementNamed } from "../reports/replacements.ts";
import { type ActionContext, type Decision, optionalReason } from "./context.ts";

/** `renewd replace start --json`, which `renewd replace` is. */
export interface ReplaceReport {
  readonly version: 1;
  /** null: `--dry-run`. */
  readonly id: string | null;
  readonly deadline: string;
  readonly certificates: readonly string[];
  readonly refused: readonly { readonly certificate: string; readonly why: string }[];
  /** Serials that no certificate in use has. */
  readonly unknownSerials: readonly string[];
}

/** `renewd replace cancel --json`. */
export interface ReplaceCancelReport {
  readonly version: 1;
  readonly id: string;
}

/** Which certificates, until when, how. What is null does not select. */
export interface ReplaceRequest {
  /** A configured issuer; any other name: part of the name of the CA certificate that signed. */
  readonly issuer: string | null;
  /** In hex. */
  readonly serials: readonly string[] | null;
  /** `*.shop.example.org`; `*` matches any characters. */
  readonly san: string | null;
  /** SHA-256 fingerprint of a certificate of the chain. */
  readonly intermediate: string | null;
  readonly profile: string | null;
  /** The issuer to order from; null: as configured. */
  readonly to: string | null;
  /** How many first, second …; the rest comes last. */
  readonly waves: readonly number[];
  /** `24h`, or an instant. */
  readonly deadline: string;
  /** Show whom it concerns and record nothing. */
  readonly dryRun: boolean;
}

const SERIAL = /^[0-9a-f:]{1,80}$/i;

/** Has every selected certificate replaced, ahead of routine work. Throws `request.invalid`. */
export async function replace(
  context: ActionContext,
  asked: ReplaceRequest,
  decision: Decision,
): Promise<ReplaceReport> {
  const start = await draftReplace(context, asked, decision);
  return start(context);
}

/** Finds out whom it concerns, which reads the whole fleet; what it returns starts the replacement. */
export async function draftReplace(
  { renewal }: ActionContext,
  asked: ReplaceRequest,
  { by, reason }: Decision,
): Promise<(starting: ActionContext) => Promise<ReplaceReport>> {
  const { clock, services } = renewal;
  const deadline = futureOption("--deadline", asked.deadline, clock.now());
  const configured = services.issuerNames();
  if (asked.to !== null && !configured.includes(asked.to))
    throw new RenewalError("request.invalid", `--to: there is no issuer "${asked.to.slice(0, 80)}"`);
  const request = {
    selection: selectionOf(asked, (name) => configured.includes(name)),
    described: describe(asked),
    issuer: asked.to,
    deadline,
    waves: asked.waves,
    by,
    why: optionalReason(reason),
  };
  const drafted = await draftReplacement(renewal, request);
  return async (starting) => {
    const replacement = asked.dryRun ? null : await startReplacement(starting.renewal, request, drafted);
    return {
      version: 1,
      id: replacement?.id ?? null,
      deadline: iso(deadline),
      certificates: drafted.members.map(({ certificate }) => certificate.name),
      refused: drafted.refused,
      unknownSerials: drafted.unknownSerials,
    };
  };
}

/** Replaces no more for it; renewals in flight go on. `of`: an id, or its beginning. */
export async function cancel(
  { renewal }: ActionContext,
  of: string,
  { by, reason }: Decision,
): Promise<ReplaceCancelReport> {
  const { id } = await replacementNamed(renewal.store, of);
  await cancelReplacement(renewal, { id, by, why: optionalReason(reason) });
  return { version: 1, id };
}

function selectionOf(
  { issuer, serials, san, intermediate, profile }: ReplaceRequest,
  isConfigured: (issuer: string) => boolean,
): Selection {
  if ([issuer, serials, san, intermediate, profile].every((each) => each === null))
    throw new RenewalError(
      "request.invalid",
      "say which certificates: --issuer, --serials, --san, --intermediate or --profile",
    );
  const fingerprint = intermediate?.replaceAll(":", "").toLowerCase();
  if (fingerprint !== undefined && !/^[0-9a-f]{64}$/.test(fingerprint))
    throw new RenewalError("request.invalid", "--intermediate: must be a SHA-256 fingerprint of 64 hex digits");
  const wrong = serials?.find((serial) => !SERIAL.test(serial));
  if (wrong !== undefined)
    throw new RenewalError("request.invalid", `--serials: "${wrong.slice(0, 80)}" is no serial in hex`);
  return {
    ...(issuer !== null && (isConfigured(issuer) ? { issuer } : { signedBy: issuer })),
    ...(serials !== null && { serials: new Set(serials.map(canonicalSerial)) }),
    ...(san !== null && { san }),
    ...(fingerprint !== undefined && { intermediate: fingerprint }),
    ...(profile !== null && { profile }),
  };
}

/** For people. */
function describe(request: ReplaceRequest): string {
  const waves = request.waves.length === 0 ? [] : [`--waves ${request.waves.join(",")}`];
  const serials = request.serials === null ? [] : [`--serials (${request.serials.length})`];
  const parts = (["issuer", "san", "intermediate", "profile", "to"] as const).flatMap((key) =>
    request[key] === null ? [] : [`--${key} ${request[key]}`],
  );
  return [...parts, ...serials, ...waves].join(" ").slice(0, 500);
}
