import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { deadlineAfter } from "../../domain/abort.ts";
import { RenewalError } from "../../domain/errors.ts";

/** A list of 50,000 certificates fits. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
const LOCKED_POLL_MS = 20;

/** Names that a command can hold as they are. */
export const COMMAND_SAFE: RegExp = /^[^\s;\\*#]+$/;

export interface RuntimeAddress {
  /** As configured. */
  readonly socket: string;
  readonly timeoutMs: number;
}

/** What HAProxy has in memory for one certificate file. */
export interface LoadedCertificate {
  /** Whether a bind serves it. */
  readonly used: boolean;
  /** SHA-1 of the DER leaf, upper-case hex: HAProxy 2.6 shows no other fingerprint. null: the entry is still empty. */
  readonly sha1: string | null;
}

/**
 * Sends one line of commands, with `;` between them, to HAProxy's runtime API and returns all answers (management guide
 * §9.3). Without a prompt, HAProxy closes the connection after the last answer. From 3.0 on it reads no second line, so
 * a command with a payload is the last. Throws `deploy.unreachable`, `deploy.timeout`, or `deploy.forbidden` below level
 * admin.
 */
export async function haproxyCommand(address: RuntimeAddress, commands: string, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  using deadline = deadlineAfter(address.timeoutMs, signal);
  const answer = await inTurn(address, commands, deadline.signal).catch((cause) => {
    signal.throwIfAborted();
    if (deadline.isOver())
      throw new RenewalError(
        "deploy.timeout",
        `HAProxy's socket ${address.socket} did not answer within ${address.timeoutMs} ms`,
      );
    if (cause instanceof RenewalError) throw cause;
    throw new RenewalError(
      "deploy.unreachable",
      `HAProxy's socket ${address.socket} cannot be reached: ${reason(cause)}`,
      { cause },
    );
  });
  // The runtime API has no error codes; this text is fixed in HAProxy's source.
  if (answer.startsWith("Permission denied")) {
    throw new RenewalError(
      "deploy.forbidden",
      `HAProxy's socket ${address.socket} refuses certificate commands: its \`stats socket\` line needs ` +
        "`level admin`",
    );
  }
  return answer;
}

/**
 * Throws `deploy.forbidden` when the socket is read-only. The command aborts a transaction that cannot exist, so it
 * changes nothing, but it needs level admin. Returns what HAProxy has of the file; null: HAProxy does not know it.
 */
export async function showCertificateAsAdmin(
  address: RuntimeAddress,
  name: string,
  signal: AbortSignal,
): Promise<LoadedCertificate | null> {
  const commands = `abort ssl cert renewd-preflight;show ssl cert ${name}\n`;
  return certificateIn(await haproxyCommand(address, commands, signal));
}

/** null: HAProxy does not know the file. */
export async function showCertificate(
  address: RuntimeAddress,
  name: string,
  signal: AbortSignal,
): Promise<LoadedCertificate | null> {
  return certificateIn(await haproxyCommand(address, `show ssl cert ${name}\n`, signal));
}

/** null: the answers say nothing of a certificate. */
export function certificateIn(answers: string): LoadedCertificate | null {
  const status = /^Status: (\w+)/m.exec(answers)?.[1];
  if (status === undefined) return null;
  return { used: status === "Used", sha1: /^SHA1 FingerPrint: ([0-9A-F]{40})/m.exec(answers)?.[1] ?? null };
}

/** The process that answers, as its own machine or container counts; null: it does not say. */
export async function showPid(address: RuntimeAddress, signal: AbortSignal): Promise<number | null> {
  return pidIn(await haproxyCommand(address, "show info\n", signal));
}

function pidIn(answer: string): number | null {
  const pid = /^Pid: (\d+)$/m.exec(answer)?.[1];
  return pid === undefined ? null : Number(pid);
}

/** What tells who serves a certificate. */
export interface Serving {
  /** As of `showPid`. */
  readonly pid: number | null;
  readonly loaded: LoadedCertificate | null;
  /** A frontend may hand TLS through to servers that have certificates of their own, or it does not say. */
  readonly mayHandThrough: boolean;
}

/** All by one connection. */
export async function showServing(address: RuntimeAddress, name: string, signal: AbortSignal): Promise<Serving> {
  const commands = `show info; show stat -1 ${FRONTENDS} -1; show ssl cert ${name}\n`;
  const answer = await haproxyCommand(address, commands, signal);
  const modes = frontendModes(answer);
  return { pid: pidIn(answer), loaded: certificateIn(answer), mayHandThrough: modes?.includes("tcp") ?? true };
}

/** Of `show stat` (management guide §9.3). */
const FRONTENDS = 1;

/** Out of the table of statistics (§9.1), whose fields before the mode have no commas for a frontend. null: none. */
function frontendModes(answer: string): readonly string[] | null {
  // An empty line ends the answer of each command.
  const table = answer.split("\n\n").find((one) => one.startsWith("# pxname,"));
  const [header = "", ...rows] = table?.trimEnd().split("\n") ?? [];
  const column = header.split(",").indexOf("mode");
  return column < 0 || rows.length === 0 ? null : rows.map((row) => row.split(",")[column] ?? "tcp");
}

/**
 * HAProxy gives up its lock on certificates some time after the connection that held it was closed, and has no queue
 * for it: a command that meets the lock changes nothing and is to be sent again (`ckch_lock` in HAProxy's ssl_ckch.c).
 * What succeeded is not: only a command after it met the lock.
 */
async function inTurn(address: RuntimeAddress, commands: string, signal: AbortSignal): Promise<string> {
  for (;;) {
    const answer = await exchange(address, commands, signal);
    if (!answer.includes("Operations on certificates are currently locked!") || succeeded(answer)) return answer;
    await delay(LOCKED_POLL_MS, undefined, { signal });
  }
}

/** Of `commit ssl cert` and `add ssl crt-list`. */
export function succeeded(answer: string): boolean {
  return /^Success!$/m.test(answer);
}

function exchange({ socket: path }: RuntimeAddress, commands: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = open(path);
    const onAbort = (): void => {
      socket.destroy(new Error("aborted"));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    let answer = "";
    socket.setEncoding("utf8");
    socket.once("connect", () => socket.write(commands));
    socket.on("data", (chunk: string) => {
      answer += chunk;
      if (answer.length > ANSWER_BYTES_MAX) socket.destroy(new Error("the answer is too long"));
    });
    socket.once("end", () => resolve(answer));
    socket.on("error", reject);
    socket.once("close", () => {
      signal.removeEventListener("abort", onAbort);
      reject(new Error("closed without an answer"));
    });
  });
}

function open(path: string): Socket {
  if (path.startsWith("/")) return connect({ path });
  const colon = path.lastIndexOf(":");
  return connect({ host: path.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(path.slice(colon + 1)) });
}

function reason(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (code === "ENOENT") return "it does not exist (is HAProxy running, with this `stats socket`?)";
  if (code === "ECONNREFUSED") return "nobody listens (is HAProxy running?)";
  if (code === "EACCES") return "permission denied (see mode, user and group of the `stats socket` line)";
  if (typeof code === "string") return code;
  return error instanceof Error ? error.message : "unknown error";
}
