import { type FileHandle, open } from "node:fs/promises";

export type DataSync = (file: FileHandle) => Promise<void>;

/**
 * Brings commits to disk without stopping the thread. SQLite, at `synchronous = normal`, only writes them to the
 * write-ahead log; it still syncs log and database around a checkpoint, and the log's header (with it the directory)
 * before the log begins again. What is written to the log meanwhile waits for the next sync, and shares it. A log is one
 * file from its start: a sync covers what other processes have committed before.
 *
 * The descriptor stays open, since a failed sync is reported once, to those that are open (fsync(2), "EIO"). SQLite
 * takes no locks on the log, so closing this one drops none; while a connection is open, nobody removes the log.
 */
export class LogSync {
  readonly #path: string;
  readonly #dataSync: DataSync;
  #file: FileHandle | null = null;
  #running: Promise<void> = Promise.resolve();
  /** Not started yet. */
  #next: Promise<void> | null = null;
  #failure: { readonly reason: unknown } | null = null;

  constructor(path: string, dataSync: DataSync = (file) => file.datasync()) {
    this.#path = path;
    this.#dataSync = dataSync;
  }

  /**
   * What was committed since the last successful sync may never reach the disk, though a later sync succeeds: the kernel
   * tells of lost pages once. Nothing may be appended to the log until a checkpoint has begun it again.
   */
  get hasFailed(): boolean {
    return this.#failure !== null;
  }

  /** Resolves when everything that was committed before this call is on disk. */
  synced(): Promise<void> {
    this.#next ??= this.#after(this.#running);
    return this.#next;
  }

  /** After a checkpoint that left nothing in the log. */
  beginsAgain(): void {
    this.#failure = null;
  }

  /** Resolves when everything that was committed before this call is on disk, or could not be brought there. */
  async settled(): Promise<void> {
    await (this.#next ?? this.#running).catch(() => {});
  }

  /** The next sync opens the log again, which may be another file then. */
  async close(): Promise<void> {
    await this.settled();
    await this.#file?.close();
    this.#file = null;
  }

  async #after(running: Promise<void>): Promise<void> {
    await running.catch(() => {});
    this.#next = null;
    this.#running = this.#sync();
    await this.#running;
  }

  async #sync(): Promise<void> {
    if (this.#failure !== null) throw this.#failure.reason;
    try {
      this.#file ??= await open(this.#path, "r");
      await this.#dataSync(this.#file);
    } catch (reason) {
      this.#failure = { reason };
      throw reason;
    }
  }
}
