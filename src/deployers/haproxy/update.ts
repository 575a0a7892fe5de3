import { createHash } from "node:crypto";
import { basename, dirname } from "node:path";
import { RenewalError } from "../../domain/errors.ts";
import { Secret } from "../../domain/secret.ts";
import { sanitizeAnswer } from "../base/sanitizeAnswer.ts";
import { openDirectory } from "../local/directory.ts";
import { lockDirectory } from "../local/directoryLock.ts";
import {
  certificateIn,
  haproxyCommand,
  type LoadedCertificate,
  type RuntimeAddress,
  showCertificate,
  succeeded,
} from "./runtime.ts";

/** A command must fit into `tune.bufsize`. HAProxy uses about 1 KiB of it itself. */
const DEFAULT_BUFFER_BYTES = 15 * 1024;

/** In the form that HAProxy prints. */
export function sha1Of(certPem: string): string {
  const base64 = certPem.replace(/-----[A-Z ]+-----/g, "");
  return createHash("sha1").update(Buffer.from(base64, "base64")).digest("hex").toUpperCase();
}

export interface RuntimeUpdate {
  /** HAProxy's own name for the file. */
  readonly name: string;
  readonly sha1: string;
  /** PEM without blank lines: HAProxy ends the payload at the first blank line. */
  readonly bundle: string;
}

/**
 * Puts the pair into HAProxy's memory and reads it back. HAProxy checks the pair at commit and never serves a pair that
 * it refuses. Connections stay open, and new handshakes get the new pair at once. Returns whether a bind serves it.
 */
export async function updateMemory(
  address: RuntimeAddress,
  update: RuntimeUpdate,
  signal: AbortSignal,
): Promise<{ readonly used: boolean }> {
  await using _lock = await lockRuntime(address, signal);
  const { before, open } = await look(address, update.name, signal);
  if (before?.sha1 === update.sha1) return before;
  if (before === null) await create(address, update.name, signal);
  if (open !== null) await haproxyCommand(address, `abort ssl cert ${open}\n`, signal);
  const after = await commit(address, update, signal);
  if (after?.sha1 === update.sha1) return after;
  throw new RenewalError(
    "deploy.commandFailed",
    `HAProxy has another certificate as ${update.name} than the one just committed: does another program update it?`,
  );
}

/**
 * Targets that write to different directories may share one HAProxy. If renewd may not create files beside the socket,
 * there is no such lock; the directory's own lock still keeps apart all that write to the same directory.
 */
async function lockRuntime({ socket }: RuntimeAddress, signal: AbortSignal): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  if (!socket.startsWith("/")) return stack.move();
  const place = dirname(socket);
  try {
    const directory = stack.use(await openDirectory(place, place));
    stack.use(await lockDirectory(directory, signal, { name: `.${basename(socket)}.renewd.lock` }));
  } catch (error) {
    if (!(error instanceof RenewalError) || error.code !== "deploy.io") throw error;
  }
  return stack.move();
}

async function create(address: RuntimeAddress, name: string, signal: AbortSignal): Promise<void> {
  const answer = await haproxyCommand(address, `new ssl cert ${name}\n`, signal);
  if (!answer.startsWith("New empty certificate store")) throw refused({ name, answer });
}

/**
 * What HAProxy has of the file, and of which file a transaction is open. HAProxy has one transaction for all
 * certificates. HAProxy 2.6 lets `set ssl cert B` overwrite the content of a transaction that was begun for A, which
 * then commits B's pair as A. The caller holds the socket's lock, so a crash left any transaction that is open now.
 */
async function look(
  address: RuntimeAddress,
  name: string,
  signal: AbortSignal,
): Promise<{ readonly before: LoadedCertificate | null; readonly open: string | null }> {
  const answer = await haproxyCommand(address, `show ssl cert ${name};show ssl cert\n`, signal);
  // An empty line ends the answer of each command, and no answer holds one (management guide §9.3).
  const [first = ""] = answer.split("\n\n");
  return { before: certificateIn(first), open: /^# transaction\n\*(.+)$/m.exec(answer)?.[1] ?? null };
}

/** Returns what HAProxy has of the file then. */
async function commit(
  address: RuntimeAddress,
  { name, bundle }: RuntimeUpdate,
  signal: AbortSignal,
): Promise<LoadedCertificate | null> {
  let mine = name;
  try {
    const set = await setPair(address, { name, bundle }, signal);
    mine = /^Transaction updated for certificate (.+)!$/m.exec(set)?.[1] ?? name;
    const isSet = mine === name && /^Transaction (created|updated) for certificate /m.test(set);
    const answer = isSet ? await answered(address, `commit ssl cert ${name};show ssl cert ${name}\n`, signal) : set;
    // The read was locked out where the commit was not.
    if (isSet && succeeded(answer)) return certificateIn(answer) ?? (await showCertificate(address, name, signal));
    if (mine === name && !answer.includes("The ongoing transaction is about"))
      throw refused({ name, answer, secret: new Secret(bundle) });
    throw new RenewalError(
      "deploy.commandFailed",
      `another certificate update was open in HAProxy when ${name} was set`,
    );
  } catch (error) {
    // Also after an abort, so it has a signal of its own. The first error says more than an error of this command.
    const limit = AbortSignal.timeout(address.timeoutMs);
    await haproxyCommand(address, `abort ssl cert ${mine}\n`, limit).catch(() => undefined);
    throw error;
  }
}

/** HAProxy 2.6 drops the connection of a pair that is too long for it, 3.2 reads on without an answer. */
async function setPair(
  address: RuntimeAddress,
  { name, bundle }: Pick<RuntimeUpdate, "name" | "bundle">,
  signal: AbortSignal,
): Promise<string> {
  try {
    return await answered(address, `set ssl cert ${name} <<\n${bundle}\n`, signal);
  } catch (error) {
    const isLost =
      error instanceof RenewalError && (error.code === "deploy.unreachable" || error.code === "deploy.timeout");
    if (!isLost || bundle.length <= DEFAULT_BUFFER_BYTES) throw error;
    const message =
      `HAProxy dropped the update of ${name}: its ${bundle.length} bytes are too many for the default buffer; ` +
      "raise `tune.bufsize` or shorten the chain";
    throw new RenewalError("deploy.refused", message, { cause: error });
  }
}

/** HAProxy mostly resets a connection that it drops; sometimes it closes it normally. */
async function answered(address: RuntimeAddress, commands: string, signal: AbortSignal): Promise<string> {
  const answer = await haproxyCommand(address, commands, signal);
  if (answer.trim() !== "") return answer;
  throw new RenewalError("deploy.unreachable", `HAProxy's socket ${address.socket} was closed without an answer`);
}

/** `secret`: a payload that HAProxy may repeat in its answer as an unknown command. */
export function refused({
  name,
  answer,
  secret = null,
}: {
  readonly name: string;
  readonly answer: string;
  readonly secret?: Secret | null;
}): RenewalError {
  return new RenewalError("deploy.refused", `HAProxy refused ${name}: ${sanitizeAnswer(answer, secret)}`);
}
