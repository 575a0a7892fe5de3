import { addAbortListener } from "node:events";
import { RenewalError } from "../../domain/errors.ts";
import { Secret } from "../../domain/secret.ts";
import type { StagedFiles } from "../local/atomicFiles.ts";
import { type PairFiles, stagePair, withDirectoryLock } from "../local/pairFiles.ts";
import type { ServerControl } from "./serverControl.ts";

export interface BatchFiles extends PairFiles {
  /** Whether files that are all as wanted need neither check nor reload. */
  readonly onlyIfChanged: boolean;
}

/**
 * Resolves once the server has checked the pair's files and was reloaded, with the notes on these files. Throws as a
 * deployer does.
 */
export type DeployInBatch = (files: BatchFiles, signal: AbortSignal) => Promise<readonly string[]>;

const UNCHANGED = "no file changed, so the server was not reloaded";

/** A pair on its way to the server. */
interface Member {
  readonly files: BatchFiles;
  readonly signal: AbortSignal;
  readonly outcome: PromiseWithResolvers<readonly string[]>;
  notes: readonly string[];
}

/**
 * Pairs for one server share one check and one reload: those that arrive while another batch has the directory's lock
 * wait and go together. Otherwise the last of ten pairs would wait for nine checks of the same configuration.
 */
export function createBatches(control: ServerControl): DeployInBatch {
  let open: Batch | null = null;
  return async (files, signal) => {
    signal.throwIfAborted();
    let batch = open;
    // Two generations of one certificate go one after the other.
    if (batch === null || batch.has(files)) {
      const started = new Batch(control, () => {
        if (open === started) open = null;
      });
      open = batch = started;
    }
    return await batch.join(files, signal);
  };
}

class Batch {
  readonly #control: ServerControl;
  readonly #onClose: () => void;
  readonly #members = new Set<Member>();
  readonly #stop = new AbortController();
  #running: Promise<void> | null = null;

  constructor(control: ServerControl, onClose: () => void) {
    this.#control = control;
    this.#onClose = onClose;
  }

  has({ pair }: PairFiles): boolean {
    return [...this.#members].some(({ files }) => files.pair.certificate === pair.certificate);
  }

  async join(files: BatchFiles, signal: AbortSignal): Promise<readonly string[]> {
    const member: Member = { files, signal, outcome: Promise.withResolvers(), notes: [] };
    this.#members.add(member);
    this.#running ??= this.#run(files.files[0].root);
    using _leaving = addAbortListener(signal, () => this.#leave(member));
    try {
      return await member.outcome.promise;
    } finally {
      this.#members.delete(member);
    }
  }

  /** The others go on. The last one stops the work, and waits until its files are cleaned up. */
  #leave(member: Member): void {
    if (this.#members.size === 1) {
      this.#onClose();
      this.#stop.abort(member.signal.reason);
    } else {
      this.#members.delete(member);
      member.outcome.reject(member.signal.reason);
    }
  }

  async #run(root: string): Promise<void> {
    try {
      await withDirectoryLock(root, this.#stop.signal, async () => {
        this.#onClose();
        await deployTogether(this.#control, [...this.#members], this.#stop.signal);
      });
    } catch (error) {
      this.#onClose();
      for (const { outcome } of this.#members) outcome.reject(error);
    }
  }
}

/**
 * The running server reads the files at a reload only. If this process dies before it, the new pairs stay, whose keys
 * match, and the next attempt checks and reloads again. A reload that was accepted proves little: the verifier decides.
 */
async function deployTogether(control: ServerControl, members: readonly Member[], signal: AbortSignal): Promise<void> {
  const accepted = await putInPlace(control, members, signal);
  if (accepted.length === 0) return;
  try {
    // Still under the lock: a server that opens certificate and key one after the other must not do so during a swap.
    await control.reload(keysOf(accepted), signal);
    for (const { outcome, notes } of accepted) outcome.resolve(notes);
  } catch (error) {
    for (const { outcome } of accepted) outcome.reject(error);
  }
}

/**
 * Returns the members whose files are in place and checked; the others have their outcome. `accepts`: the server
 * accepts its configuration without them.
 */
async function putInPlace(
  control: ServerControl,
  members: readonly Member[],
  signal: AbortSignal,
  accepts = false,
): Promise<readonly Member[]> {
  const { accepted, suspects } = await tryTogether(control, members, signal, accepts);
  if (suspects.length === 0) return accepted;
  // A refused pair must not fail the others: halves find it in few checks.
  const half = Math.ceil(suspects.length / 2);
  const first = await putInPlace(control, suspects.slice(0, half), signal, true);
  return [...accepted, ...first, ...(await putInPlace(control, suspects.slice(half), signal, true))];
}

interface Verdict {
  readonly accepted: readonly Member[];
  /** The server's check refused these together, and their previous files are back. */
  readonly suspects: readonly Member[];
}

const NONE: Verdict = { accepted: [], suspects: [] };

/** A member whose files are in place. */
interface Swapped {
  readonly member: Member;
  readonly files: StagedFiles;
}

/**
 * A server's check reads the real paths, so it runs after the swap. Files that it refuses go back before any reload.
 * Then the check runs once more: what it refuses without these files too is no fault of theirs.
 */
async function tryTogether(
  control: ServerControl,
  members: readonly Member[],
  signal: AbortSignal,
  accepts: boolean,
): Promise<Verdict> {
  await using stack = new AsyncDisposableStack();
  const swapped = await swapAll(members, stack, signal);
  const refusal = await judge(control, swapped, signal);
  if (refusal === null) return { accepted: swapped.map(({ member }) => member), suspects: [] };
  const restored = await restoreAll(swapped);
  if (!isRefusal(refusal, signal)) return rejectAll(restored, refusal);
  const before = accepts ? null : await judge(control, restored, signal);
  if (before !== null) return await keepFirst(control, restored, before, signal);
  if (restored.length > 1) return { accepted: [], suspects: restored.map(({ member }) => member) };
  return rejectAll(restored, refusal);
}

/**
 * The check fails without the new files too, perhaps only because they are missing: two certificates that are both new
 * to one server would wait for each other without end. So a first pair goes back in place and stays there, whatever the
 * check says: without it the server cannot start either.
 */
async function keepFirst(
  control: ServerControl,
  restored: readonly Swapped[],
  refusal: unknown,
  signal: AbortSignal,
): Promise<Verdict> {
  const first = restored.filter(({ files }) => files.first);
  const others = restored.filter(({ files }) => !files.first);
  if (!isRefusal(refusal, signal) || first.length === 0) return rejectAll(restored, refusal);
  await using stack = new AsyncDisposableStack();
  const kept = await swapAll(
    first.map(({ member }) => member),
    stack,
    signal,
  );
  const still = await judge(control, kept, signal);
  if (still === null)
    return { accepted: kept.map(({ member }) => member), suspects: others.map(({ member }) => member) };
  rejectAll(others, still);
  return rejectAll(kept, isRefusal(still, signal) ? notTheirFault(still) : still);
}

function notTheirFault(refusal: RenewalError): RenewalError {
  const message = `${refusal.message}; it was refused before this pair came, too, so the new files stay in place`;
  return new RenewalError(refusal.code, message, { cause: refusal });
}

/** Puts the files of members in place. Those that fail have their outcome. */
async function swapAll(
  members: readonly Member[],
  stack: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<readonly Swapped[]> {
  const staged: Swapped[] = [];
  for (const member of members)
    await attempt(member, async () => {
      member.signal.throwIfAborted();
      const files = stack.use(await stagePair(member.files, signal));
      member.notes = files.notes;
      staged.push({ member, files });
    });
  const swapped: Swapped[] = [];
  for (const one of staged)
    await attempt(one.member, async () => {
      const { member, files } = one;
      member.signal.throwIfAborted();
      await files.swap();
      if (member.files.onlyIfChanged && !files.changed) member.outcome.resolve([...files.notes, UNCHANGED]);
      else swapped.push(one);
    });
  return swapped;
}

/** null: the server accepts its configuration as it is now, or there is nothing to ask for. */
async function judge(control: ServerControl, members: readonly Swapped[], signal: AbortSignal): Promise<unknown> {
  if (members.length === 0) return null;
  try {
    const paths = members.flatMap(({ member }) => member.files.files.map(({ path }) => path));
    await control.judge?.({ secret: keysOf(members.map(({ member }) => member)), paths }, signal);
    return null;
  } catch (error) {
    return error;
  }
}

function isRefusal(error: unknown, signal: AbortSignal): error is RenewalError {
  return error instanceof RenewalError && error.code === "deploy.commandFailed" && !signal.aborted;
}

async function restoreAll(swapped: readonly Swapped[]): Promise<readonly Swapped[]> {
  const restored: Swapped[] = [];
  for (const one of swapped)
    await attempt(one.member, async () => {
      await one.files.restore();
      restored.push(one);
    });
  return restored;
}

function rejectAll(members: readonly Swapped[], error: unknown): Verdict {
  for (const { member } of members) member.outcome.reject(error);
  return NONE;
}

async function attempt({ outcome }: Member, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    outcome.reject(error);
  }
}

function keysOf(members: readonly Member[]): Secret {
  return new Secret(members.map(({ files }) => files.pair.privateKey.reveal()).join("\n"));
}
