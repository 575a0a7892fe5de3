import type { Secret } from "../../domain/secret.ts";
import type { Reader } from "../local/attributes.ts";

/** What a server's check is about. */
export interface Judged {
  /** The new private keys, which no message may show. */
  readonly secret: Secret;
  /** The files of the pairs, which a message may name. */
  readonly paths: readonly string[];
}

/** Checks and reloads a server. `secret`: the new private keys, which no message may show. */
export interface ServerControl {
  /** Throws the reason if the server cannot be checked or reloaded in any state. Changes nothing. */
  check?(signal: AbortSignal): Promise<void>;
  /** Throws when the server does not run. Called only once it has a pair: many servers cannot start without one. */
  running?(signal: AbortSignal): Promise<void>;
  /** The server's own check of the files that are now in place. Throws what it finds. Left out: it has no check. */
  judge?(judged: Judged, signal: AbortSignal): Promise<void>;
  /** The user that reads the key when the server starts again; null: not known. Left out: always root. */
  reader?(signal: AbortSignal): Promise<Reader | null>;
  /** Resolves when the server has read the files, if that can be known. */
  reload(secret: Secret, signal: AbortSignal): Promise<void>;
}
