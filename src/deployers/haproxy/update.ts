import { createHash } from "node:crypto";
import { basename, dirname } from "node:path";
import { RenewalError } from "../../domain/errors.ts";
import { Secret } from "../../domain/secret.ts";
import { sanitizeAnswer } from "../base/sanitizeAnswer.ts";
import { openDirectory } from "../local/directory.ts";
import { lockDirectory } from "../local/directoryLock.ts";
import { haproxyCommand, type RuntimeAddress, showCertificate } from "./runtime.ts";

/** HAProxy drops a connection whose command does not fit its buffer, `tune.bufsize`, of which it keeps about 1 KiB for itself. */
const DEFAULT_BUFFER_BYTES = 15 * 1024;

/** As HAProxy prints it. */
export function sha1Of(certPem: string): string {
  const base64 = certPem.replace(/-----[A-Z ]+-----/g, "");
  return createHash("sha1").update(Buffer.from(base64, "base64")).digest("hex").toUpperCase();
}

export interface RuntimeUpdate {
  /** The file as HAProxy names it. */
  readonly name: string;
  readonly sha1: string;
  /** PEM without blank lines: the payload ends at the first one. */
  readonly bundle: string;
}

/**
 * Brings the pair into HAProxy's memory and proves it by reading back. HAProxy checks the pair at commit: a pair it refuses
 * never serves. Connections stay open, and new handshakes get the new pair at once. Returns whether a bind serves it.
 */
export async function updateMemory(
  address: RuntimeAddress,
  update: RuntimeUpdate,
  signal: AbortSignal,
): Promise<{ readonly used: boolean }> {
  await using _lock = await lockRuntime(address, signal);
  const before = await showCertificate(address, update.name, signal);
  if (before?.sha1 === update.sha1) return before;
  if (before === null) await create(address, update.name, signal);
  await abandonTransaction(address, signal);
  await commit(address, update, signal);
  const after = await showCertificate(address, update.name, signal);
  if (after?.sha1 === update.sha1) return after;
  throw new RenewalError(
    "deploy.commandFailed",
    `HAProxy holds another certificate than the one just committed as ${update.name}; is something else updating it?`,
  );
}

/**
 * Targets that write to different directories may share one HAProxy. Where renewd may not create files beside the socket there
 * is no lock: the directory's own keeps apart all who write to the same one.
 */
async function lockRuntime({ socket }: RuntimeAddress, signal: AbortSignal): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  if (!socket.startsWith("/")) return stack.move();
  const place = dirname(socket);
  try {
    const directory = stack.use(await openDirectory(place, place));
    stack.use(await lockDirectory(directory, signal, `.${basename(socket)}.renewd.lock`));
  } catch (error) {
    if (!(error instanceof RenewalError) || error.code !== "deploy.io") throw error;
  }
  return stack.move();
}

async function create(address: RuntimeAddress, name: string, signal: AbortSignal): Promise<void> {
  const answer = await haproxyCommand(address, `new ssl cert ${name}\n`, signal);
  if (!answer.startsWith("New empty certificate store")) throw refused(name, answer);
}

/**
 * HAProxy has one transaction for all certificates, and 2.6 lets `set ssl cert B` overwrite the content of a transaction
 * begun for A, which then commits B's pair as A. We hold the socket's lock, so one that is open now was left by a crash.
 */
async function abandonTransaction(address: RuntimeAddress, signal: AbortSignal): Promise<void> {
  const list = await haproxyCommand(address, "show ssl cert\n", signal);
  const open = /^# transaction\n\*(.+)$/m.exec(list)?.[1];
  if (open !== undefined) await haproxyCommand(address, `abort ssl cert ${open}\n`, signal);
}

async function commit(address: RuntimeAddress, { name, bundle }: RuntimeUpdate, signal: AbortSignal): Promise<void> {
  let mine = name;
  try {
    // One connection for both, so that as little as possible can come between them; a commit of a failed `set` does nothing.
    const answer = await haproxyCommand(
      address,
      `set ssl cert ${name} <<\n${bundle}\ncommit ssl cert ${name}\n`,
      signal,
    );
    if (/^Success!$/m.test(answer)) return;
    // A connection HAProxy drops is mostly reset, and now and then closed as if all were well.
    if (answer.trim() === "")
      throw new RenewalError("deploy.unreachable", `HAProxy's socket ${address.socket} was closed without an answer`);
    mine = /^Transaction updated for certificate (.+)!$/m.exec(answer)?.[1] ?? name;
    if (mine === name && !answer.includes("The ongoing transaction is about"))
      throw refused(name, answer, new Secret(bundle));
    throw new RenewalError(
      "deploy.commandFailed",
      `HAProxy was in the middle of another certificate update when ${name} was set`,
    );
  } catch (error) {
    // Also after an abort: a fresh signal of its own, bounded by the socket's time limit. The first error tells more than a second.
    await haproxyCommand(address, `abort ssl cert ${mine}\n`, AbortSignal.timeout(address.timeoutMs)).catch(
      () => undefined,
    );
    throw explain(error, name, bundle);
  }
}

function explain(error: unknown, name: string, bundle: string): unknown {
  const dropped =
    error instanceof RenewalError && error.code === "deploy.unreachable" && bundle.length > DEFAULT_BUFFER_BYTES;
  if (!dropped) return error;
  const message = `HAProxy dropped the update of ${name}: its ${bundle.length} bytes are too many for the default buffer; raise \`tune.bufsize\` or shorten the chain`;
  return new RenewalError("deploy.refused", message, { cause: error });
}

// HAProxy repeats a command it does not know, and a payload it read as one must not show.
export function refused(name: string, answer: string, secret: Secret | null = null): RenewalError {
  return new RenewalError("deploy.refused", `HAProxy refused ${name}: ${sanitizeAnswer(answer, secret)}`);
}
