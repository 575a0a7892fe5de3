import { z } from "zod";
import { DRILL_SCENARIOS, type DrillScenario } from "../../../domain/drill.ts";
import { RenewalError } from "../../../domain/errors.ts";
import { DAY_MS, parseDuration } from "../../../domain/time.ts";

export const REASON_LENGTH_MAX = 200;
/** More at once is a replacement: in waves, against a deadline, within the CA's limits. */
export const CERTIFICATES_MAX = 500;
const NAME_LENGTH_MAX = 255;
const UNTIL_MAX_MS = 10 * 366 * DAY_MS;

/** What an action is about and how; each action takes what it needs of it. */
export interface ActionInput {
  readonly certificates: readonly string[];
  /** Why, for the history; "": none was given. */
  readonly reason: string;
  /** ms since epoch; null: until somebody ends it. */
  readonly until: number | null;
  /** As it was typed. */
  readonly untilText: string;
  /** Issue although nothing is due. */
  readonly force: boolean;
  /** Deploy to these targets alone; empty: to all. */
  readonly targets: readonly string[];
  /** null: the latest. */
  readonly generation: number | null;
  /** Ways to reach people; empty: all. */
  readonly channels: readonly string[];
  /** Of findings: names of certificates, or ids of findings about renewd itself. */
  readonly subjects: readonly string[];
  /** Of drills: what has just happened. */
  readonly scenario: DrillScenario;
  /** Of replacements. */
  readonly replacement: ReplacementInput;
}

export interface ReplacementInput {
  /** The id of one that exists. */
  readonly id: string;
  readonly issuer: string;
  readonly san: string;
  readonly to: string;
  readonly waves: readonly number[];
  /** As it was typed. */
  readonly wavesText: string;
}

const name = z.string().min(1).max(NAME_LENGTH_MAX);
const fields = z.object({
  certificate: z.array(name).max(CERTIFICATES_MAX),
  reason: z.string().trim().max(REASON_LENGTH_MAX),
  until: z.string().max(40),
  force: z.boolean(),
  target: z.array(name).max(CERTIFICATES_MAX),
  channel: z.array(name).max(CERTIFICATES_MAX),
  generation: z.string().regex(/^([1-9]\d{0,8})?$/, "must be a number such as 12"),
  subject: z.array(z.string().min(1).max(500)).max(CERTIFICATES_MAX),
  scenario: z.enum(DRILL_SCENARIOS),
  replacement: z.string().max(36),
  issuer: z.string().max(NAME_LENGTH_MAX),
  san: z.string().max(NAME_LENGTH_MAX),
  to: z.string().max(NAME_LENGTH_MAX),
  waves: z.string().regex(/^([1-9]\d{0,5}(,[1-9]\d{0,5}){0,9})?$/, "must be up to ten numbers from 1, such as 1,20"),
});

/** Of a form or a URL. Throws `request.invalid` that names each field. */
export function readInput(parameters: URLSearchParams, now: number): ActionInput {
  const one = (key: string): string => parameters.get(key) ?? "";
  const all = (key: string): string[] => [...new Set(parameters.getAll(key).filter((value) => value !== ""))];
  const read = fields.safeParse({
    ...{ certificate: all("certificate"), target: all("target"), subject: all("subject"), channel: all("channel") },
    ...{ reason: one("reason"), until: one("until"), force: one("force") === "yes", generation: one("generation") },
    scenario: one("scenario") || "revoked",
    ...{ replacement: one("replacement"), issuer: one("issuer"), san: one("san"), to: one("to"), waves: one("waves") },
  });
  if (!read.success)
    throw new RenewalError(
      "request.invalid",
      read.error.issues.map(({ path, message }) => `${path[0]?.toString() ?? ""}: ${message}`).join("; "),
    );
  const { certificate, reason, until, force, target, channel, generation, subject, replacement, issuer } = read.data;
  const { san, to, waves, scenario } = read.data;
  return {
    channels: channel,
    ...{
      certificates: certificate,
      reason,
      until: readUntil(until, now),
      untilText: until,
      force,
      targets: target,
      subjects: subject,
    },
    scenario,
    generation: generation === "" ? null : Number(generation),
    replacement: {
      id: replacement,
      issuer,
      san,
      to,
      waves: waves === "" ? [] : waves.split(",").map(Number),
      wavesText: waves,
    },
  };
}

/** `2d`, a date, or what a browser's field for an instant sends, in UTC. */
function readUntil(text: string, now: number): number | null {
  if (text === "") return null;
  const durationMs = parseDuration(text, ["m", "h", "d", "w"]);
  const written = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?Z?)?$/.test(text);
  const at =
    durationMs === null
      ? written
        ? Date.parse(text.length > 10 ? text.replace(/Z?$/, "Z") : text)
        : Number.NaN
      : now + durationMs;
  if (Number.isNaN(at))
    throw new RenewalError("request.invalid", "until: must be 2d, 12h or a date such as 2026-12-01 (UTC)");
  if (at <= now || at - now > UNTIL_MAX_MS)
    throw new RenewalError("request.invalid", "until: must be in the future, and within ten years");
  return at;
}
