import { connect as connectSocket } from "node:net";
import type { Client, ConnectConfig, ParsedKey } from "ssh2";
import { raceAbort } from "../../domain/abort.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Secret } from "../../domain/secret.ts";
import { formatDuration } from "../../domain/time.ts";
import { optionalPackage } from "../base/optionalPackage.ts";
import { sanitizeAnswer } from "../base/sanitizeAnswer.ts";
import { hostKeyAlgorithms, isPinned, type OfferedKey, offeredKey } from "./hostKey.ts";

export interface SshLogin {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Fingerprints or public key lines. */
  readonly hostKeys: readonly string[];
  readonly privateKey: Secret | null;
  readonly passphrase: Secret | null;
  readonly password: Secret | null;
  /** Path of an agent's socket. */
  readonly agent: string | null;
  /** Longest time for the login, and for each request after it. */
  readonly timeoutMs: number;
}

export interface SshConnection extends AsyncDisposable {
  /** user@host:port, for messages. */
  readonly name: string;
  readonly client: Client;
  /**
   * One request and its answer, within the login's time limit unless `timeoutMs` is given. Throws `deploy.timeout`,
   * `deploy.unreachable` once the connection is lost, or the server's own error, untranslated.
   */
  ask<T>(what: string, start: (done: Done<T>) => void, signal: AbortSignal, timeoutMs?: number): Promise<T>;
}

/** Without an error, ssh2 passes undefined or null. */
export type Done<T> = (error: Error | null | undefined, value: T) => void;

const GOODBYE_MAX_MS = 2_000;

/**
 * Throws `deploy.unreachable`, `deploy.timeout`, `deploy.forbidden`, `deploy.refused` for another host key, or
 * `config.secret`.
 */
export async function connectSsh(login: SshLogin, signal: AbortSignal): Promise<SshConnection> {
  signal.throwIfAborted();
  const { Client, utils } = (await optionalPackage("ssh2", () => import("ssh2"))).default;
  const name = `${login.user}@${login.host}:${login.port}`;
  if (login.privateKey !== null) checkKey(utils.parseKey(login.privateKey.reveal(), login.passphrase?.reveal()), name);
  const client = new Client();
  // Requests are small and each waits for the one before, so Nagle's algorithm would add 40 ms to each.
  const socket = connectSocket({ host: login.host, port: login.port, noDelay: true });
  const lost = new AbortController();
  const seen: { refused: OfferedKey | null } = { refused: null };
  // This listener stays: an "error" event without a listener ends the process.
  client.on("error", (error: Error & { level?: string }) => lost.abort(translate(error, login, name, seen.refused)));
  client.on("close", () => lost.abort(new RenewalError("deploy.unreachable", `${name} closed the connection`)));
  const ask: SshConnection["ask"] = (what, start, stop, timeoutMs = login.timeoutMs) =>
    bounded({ name, what, timeoutMs, lost: lost.signal }, start, stop);
  const config: ConnectConfig = {
    sock: socket,
    username: login.user,
    hostVerifier: (blob: Buffer) => {
      const offered = offeredKey(blob);
      const pinned = isPinned(login.hostKeys, offered);
      if (!pinned) seen.refused = offered;
      return pinned;
    },
    // The limit of `ask` includes the TCP connection, so ssh2's own is off.
    readyTimeout: 0,
    ...(login.privateKey !== null && { privateKey: login.privateKey.reveal() }),
    ...(login.passphrase !== null && { passphrase: login.passphrase.reveal() }),
    ...(login.password !== null && { password: login.password.reveal() }),
    ...(login.agent !== null && { agent: login.agent }),
  };
  try {
    await ask<void>(
      "log in",
      (done) => {
        client.once("ready", () => done(null, undefined));
        client.connect(withAlgorithms(config, hostKeyAlgorithms(login.hostKeys)));
      },
      signal,
    );
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    throw error instanceof RenewalError || !(error instanceof Error) ? error : translate(error, login, name, null);
  }
  return {
    name,
    client,
    ask,
    async [Symbol.asyncDispose]() {
      if (socket.destroyed) return;
      const closed = new Promise((resolve) => socket.once("close", resolve));
      const force = setTimeout(() => socket.destroy(), GOODBYE_MAX_MS);
      client.end();
      await closed;
      clearTimeout(force);
    },
  };
}

/**
 * Boundary: ssh2's types list all algorithm names; the names here come from a pattern that matches only some of them.
 */
function withAlgorithms(config: ConnectConfig, algorithms: readonly string[] | null): ConnectConfig {
  return algorithms === null ? config : ({ ...config, algorithms: { serverHostKey: algorithms } } as ConnectConfig);
}

interface Request {
  readonly name: string;
  readonly what: string;
  readonly timeoutMs: number;
  readonly lost: AbortSignal;
}

async function bounded<T>(
  { name, what, timeoutMs, lost }: Request,
  start: (done: Done<T>) => void,
  signal: AbortSignal,
): Promise<T> {
  signal.throwIfAborted();
  lost.throwIfAborted();
  const timeout = AbortSignal.timeout(timeoutMs);
  const stop = AbortSignal.any([signal, lost, timeout]);
  try {
    return await raceAbort(stop, () => {
      const { promise, resolve, reject } = Promise.withResolvers<T>();
      start((error, value) => (error ? reject(error) : resolve(value)));
      return promise;
    });
  } catch (error) {
    signal.throwIfAborted();
    // When the connection ends, ssh2 rejects open requests with its own text; `lost` knows the real reason.
    lost.throwIfAborted();
    if (timeout.aborted)
      throw new RenewalError("deploy.timeout", `${name} did not ${what} within ${formatDuration(timeoutMs)}`);
    throw error;
  }
}

function checkKey(parsed: ParsedKey | Error, name: string): void {
  const problem = parsed instanceof Error ? parsed.message : parsed.isPrivateKey() ? null : "it is a public key";
  // ssh2's message says what is wrong and never contains the key.
  if (problem !== null)
    throw new RenewalError(
      "config.secret",
      `the \`privateKey\` for ${name} cannot be used: ${sanitizeAnswer(problem)}`,
    );
}

function translate(
  error: Error & { level?: string },
  login: SshLogin,
  name: string,
  refused: OfferedKey | null,
): RenewalError {
  if (refused !== null) {
    const message =
      `${name} shows another host key than the pinned one: ${refused.type} ${refused.fingerprint}; if it is the ` +
      "host's own (on the host: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub, or of another type), set " +
      "`hostKey` to it; if not, somebody intercepts the connection";
    return new RenewalError("deploy.refused", message, { cause: error });
  }
  if (error.level === "client-authentication" || error.level === "agent") {
    const what =
      login.privateKey !== null
        ? "the private key"
        : login.password !== null
          ? "the password"
          : "every key of the agent";
    return new RenewalError(
      "deploy.forbidden",
      `${name} refused ${what}: permit it there (authorized_keys) or correct \`user\``,
      { cause: error },
    );
  }
  return new RenewalError("deploy.unreachable", `${name}: ${sanitizeAnswer(error.message) || "no answer"}`, {
    cause: error,
  });
}
