// Worker processes as a service manager keeps them: whoever dies is started again at once.
import { type RenewdProcess, startRenewd } from "../support/system/renewd.ts";
import type { WorkerRole } from "../support/system/system.ts";

/** A place for one worker process; its processes come and go. */
export interface Slot {
  readonly role: WorkerRole;
  readonly name: string;
  readonly process: RenewdProcess;
  /** The present process has said that it runs. */
  readonly ready: boolean;
}

export interface Kill {
  readonly pid: number;
  /** ms since epoch. */
  readonly at: number;
}

/** One process, from its start to its end. */
export interface Life {
  readonly role: WorkerRole;
  readonly pid: number;
  /** ms since epoch; null: not yet. */
  readyAt: number | null;
  endedAt: number | null;
}

export interface SlotOptions {
  readonly role: WorkerRole;
  readonly name: string;
  readonly configFile: string;
}

export interface StartOptions {
  /** Such as strace with an injected fault; for this one start only. */
  readonly wrapper?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly configFile?: string;
}

interface OpenSlot {
  options: SlotOptions;
  process: RenewdProcess;
  ready: boolean;
  resting: boolean;
}

export class Fleet implements AsyncDisposable {
  readonly kills: Kill[] = [];
  /** Processes that ended although nobody asked them to. */
  readonly deaths: string[] = [];
  readonly lives: Life[] = [];
  readonly #slots: OpenSlot[];
  readonly #processes: RenewdProcess[] = [];
  #closing = false;

  constructor(slots: readonly SlotOptions[]) {
    this.#slots = slots.map((options) => this.#open(options));
  }

  slots(role?: WorkerRole): readonly Slot[] {
    return this.#slots.filter(({ options }) => role === undefined || options.role === role).map(shown);
  }

  /** The slot whose present process has this id. */
  byPid(pid: number): Slot | null {
    const slot = this.#slots.find(({ process }) => process.pid === pid);
    return slot === undefined ? null : shown(slot);
  }

  /** Everything any of its processes wrote, the dead ones' included. */
  logs(): string[] {
    return this.#processes.flatMap(({ log }) => log);
  }

  async allReady(): Promise<void> {
    await Promise.all(
      this.#slots
        .filter(({ resting }) => !resting)
        .map(({ process }) => process.logged("renewd is running").catch(() => undefined)),
    );
  }

  /** SIGKILL; the slot's next process is on its way when this returns. Returns the instant. */
  async kill(pid: number): Promise<number> {
    const slot = this.#slots.find(({ process }) => process.pid === pid);
    const at = Date.now();
    this.kills.push({ pid, at });
    if (slot === undefined) return at;
    const { process } = slot;
    process.kill("SIGKILL");
    await process.exited;
    return at;
  }

  /** SIGTERM, and nobody takes its place until `start`. Returns the exit code. */
  async rest(name: string): Promise<number | null> {
    const slot = this.#slot(name);
    slot.resting = true;
    return slot.process.stop();
  }

  /** Fills a resting slot again. */
  start(name: string, options: StartOptions = {}): Slot {
    const slot = this.#slot(name);
    slot.resting = false;
    this.#launch(slot, options);
    return shown(slot);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    for (const { process } of this.#slots) process.kill("SIGCONT");
    await Promise.all(this.#slots.map(({ process }) => process.stop()));
  }

  #slot(name: string): OpenSlot {
    const slot = this.#slots.find(({ options }) => options.name === name);
    if (slot === undefined) throw new Error(`the fleet has no slot ${name}`);
    return slot;
  }

  #open(options: SlotOptions): OpenSlot {
    // Boundary: its process is set by the launch in the next line.
    const slot = { options, ready: false, resting: false } as OpenSlot;
    this.#launch(slot, {});
    return slot;
  }

  #launch(slot: OpenSlot, { wrapper = [], env = {}, configFile = slot.options.configFile }: StartOptions): void {
    const process = startRenewd(
      ["--config", configFile, ...(slot.options.role === "planner" ? ["--yes"] : [])],
      env,
      `workers/${slot.options.role}.ts`,
      wrapper,
    );
    slot.process = process;
    slot.ready = false;
    this.#processes.push(process);
    const life: Life = { role: slot.options.role, pid: process.pid, readyAt: null, endedAt: null };
    this.lives.push(life);
    process.logged("renewd is running").then(
      () => {
        life.readyAt = Date.now();
        if (slot.process === process) slot.ready = true;
      },
      () => {},
    );
    void process.exited.then((code) => {
      life.endedAt = Date.now();
      if (slot.process !== process || this.#closing || slot.resting) return;
      // null: killed by a signal, which is what drills do.
      if (code !== null)
        this.deaths.push(
          `${slot.options.name} ended by itself with exit code ${code}: ${process.log.slice(-14).join(" | ")}`,
        );
      this.#launch(slot, {});
    });
  }
}

function shown({ options: { role, name }, process, ready }: OpenSlot): Slot {
  return { role, name, process, ready };
}
