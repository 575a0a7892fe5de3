import { type DestinationStream, type Logger, pino, stdSerializers } from "pino";
import { RenewalError } from "./domain/errors.ts";
import type { Log } from "./domain/log.ts";
import { inert } from "./domain/text.ts";
import { workerName } from "./domain/workerName.ts";

/** Key material and credentials by the names under which libraries carry them; ioredis errors carry whole commands. */
const REDACTED_PATHS = [
  "privateKey",
  "password",
  "token",
  "authorization",
  "keyAuthorization",
  "hmacKey",
  "command",
  "config.headers",
].flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);
/** Inside a JSON string: to its end marker, or to the end of the string when the key was cut off. */
const PEM_PRIVATE_KEY =
  /-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^"\\]|\\[nr])*?(?:-----END [A-Z ]*PRIVATE KEY-----|(?="|\\[^nr])|$)/g;
const URL_CREDENTIALS = /(\b[a-z][a-z0-9+.-]*:\/\/)[^/@\s]*:[^/@\s]*@/gi;

export interface LogOptions {
  readonly level: string;
  /** Pretty lines for people; JSON otherwise. */
  readonly pretty: boolean;
}

/** pino on stderr (stdout is for data), so every line holds JSON with the same field names. */
export function createLog(options: LogOptions, destination?: DestinationStream): Logger & Log {
  const pinoOptions = {
    level: options.level,
    base: { worker: workerName() },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: REDACTED_PATHS, censor: "[redacted]" },
    serializers: { err: serializeError },
    hooks: { streamWrite: scrub },
  };
  if (destination) return pino(pinoOptions, destination);
  if (!options.pretty) return pino(pinoOptions, pino.destination({ fd: 2, sync: true }));
  const transport = pino.transport({
    target: "pino-pretty",
    options: { destination: 2, ignore: "pid,hostname,worker", translateTime: "SYS:HH:MM:ss" },
  });
  return pino(pinoOptions, transport);
}

/** An escape of JSON, or a character that JSON does not escape although a terminal acts on it. */
const ESCAPE_OR_ACTIVE = /\\(?:u([0-9a-f]{4})|[^u])|[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/giu;

/** Spells such characters as text, so that they stay text for a program that reads the JSON and prints its strings. */
function inertStrings(line: string): string {
  return line.replace(ESCAPE_OR_ACTIVE, (whole: string, code: string | undefined) => {
    const character = code === undefined ? whole : String.fromCharCode(Number.parseInt(code, 16));
    return whole.startsWith("\\") && code === undefined ? whole : inert(character).replaceAll("\\", "\\\\");
  });
}

/**
 * The last line of defence: even if a library puts one into a message, no key and no URL password leaves the process.
 */
function scrub(line: string): string {
  return inertStrings(line).replace(PEM_PRIVATE_KEY, "[redacted key]").replace(URL_CREDENTIALS, "$1[redacted]@");
}

/**
 * Our errors need no stack: their code says where they come from. Foreign properties (commands, headers) are dropped.
 */
function serializeError(thrown: unknown): Record<string, unknown> {
  if (thrown instanceof RenewalError) {
    const cause = thrown.cause instanceof Error ? thrown.cause.message : undefined;
    return {
      code: thrown.code,
      message: thrown.message,
      cause,
      ...(thrown.code === "internal.bug" ? { stack: thrown.stack } : {}),
    };
  }
  if (!(thrown instanceof Error)) return { message: String(thrown) };
  const { type, message, stack } = stdSerializers.err(thrown);
  return { type, message, stack };
}
