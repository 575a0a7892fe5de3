import type { Clock } from "../domain/clock.ts";
import { type RenewalError, toRenewalError } from "../domain/errors.ts";
import type { Log } from "../domain/log.ts";
import type { EventStore } from "../domain/store.ts";
import { asRole, describeFault, type Fault } from "./faults.ts";
import type { Role } from "./roleNames.ts";
import type { RoleSettings, RunningRole } from "./runningRole.ts";

/** More faults than this within the window are not chance: a new process starts clean. */
const FAULTS_MAX = 4;
const FAULT_WINDOW_MS = 300_000;
const RESTART_FIRST_MS = 500;
/** What keeps a role from starting is often removed without renewd: a permission, a port, a CA that is away. */
const START_RETRY_MS = 10_000;
/** Each part of a role bounds its own end; one that does not end cannot be started a second time beside itself. */
const DRAIN_MAX_MS = 20_000;

export interface SupervisorOptions {
  readonly start: (role: Role) => Promise<RunningRole>;
  readonly store: { readonly events: Pick<EventStore, "append"> };
  readonly clock: Clock;
  readonly log: Log;
  /** What keeps a role from starting; null: nothing any more. */
  readonly note?: (role: Role, problem: RenewalError | null) => void;
}

export interface RoleFailure {
  readonly role: Role;
  readonly error: RenewalError;
}

export interface Supervisor {
  /**
   * Starts all roles. One that cannot start does not keep the others from it: it is tried again until it starts. Throws
   * the error of the first when none starts, or what no waiting changes: a mistake in the configuration, a bug.
   */
  start(roles: readonly Role[]): Promise<void>;
  /** Hands the settings to every role; one that cannot apply them keeps none of the others from it. */
  reloaded(settings: RoleSettings): Promise<readonly RoleFailure[]>;
  /** Records the fault, drains the role it came from (or all) and starts it again after a pause. */
  fault(fault: Fault): void;
  close(): Promise<void>;
  /** Resolves when restarting does not help: this process should end with an error. */
  readonly gaveUp: Promise<void>;
}

/**
 * Runs roles. One forgotten rejection must not end a process that also plans, deploys and verifies. The work of a role
 * is idempotent: its next start resumes it, as after a crash.
 */
export function createSupervisor({ start, store, clock, log, note }: SupervisorOptions): Supervisor {
  const running = new Map<Role, RunningRole>();
  const restarts = new Map<Role, Promise<void>>();
  const stopped = new AbortController();
  const { promise: gaveUp, resolve: giveUp } = Promise.withResolvers<void>();
  let faultTimes: number[] = [];

  const started = async (role: Role): Promise<void> => {
    running.set(role, await asRole(role, () => start(role)));
  };

  /** How long to wait before the next start; null: too many faults. */
  const pauseMs = (): number | null => {
    const now = clock.monotonic();
    faultTimes = [...faultTimes.filter((at) => now - at < FAULT_WINDOW_MS), now];
    return faultTimes.length > FAULTS_MAX ? null : RESTART_FIRST_MS * 2 ** (faultTimes.length - 1);
  };

  const record = (thrown: unknown, role: Role | null): void => {
    const detail = { role: role ?? "all", error: describeFault(thrown) };
    const event = {
      at: clock.now(),
      type: "process.fault",
      certificate: null,
      renewalId: null,
      target: null,
      detail,
    } as const;
    // The database may be what failed.
    store.events
      .append(event)
      .catch((cause: unknown) => log.error({ err: toRenewalError(cause) }, "event not written"));
  };

  const drained = async (role: Role): Promise<boolean> => {
    const limit = AbortSignal.any([stopped.signal, AbortSignal.timeout(DRAIN_MAX_MS)]);
    const overtime = clock.sleep(DRAIN_MAX_MS, limit).then(
      () => false,
      () => false,
    );
    const closed = (running.get(role)?.close() ?? Promise.resolve()).then(
      () => true,
      (thrown: unknown) => {
        log.error({ role, err: toRenewalError(thrown) }, "role did not end in order");
        return true;
      },
    );
    return await Promise.race([closed, overtime]);
  };

  const restart = async (role: Role, firstPauseMs: number): Promise<void> => {
    if (!(await drained(role))) {
      if (!stopped.signal.aborted) giveUp();
      return;
    }
    running.delete(role);
    let wait: number | null = firstPauseMs;
    while (wait !== null) {
      await clock.sleep(wait, stopped.signal);
      try {
        await started(role);
        log.info({ role }, "role runs again");
        return;
      } catch (thrown) {
        log.error({ role, err: toRenewalError(thrown) }, "role not started again");
        wait = pauseMs();
      }
    }
    giveUp();
  };

  const startLater = async (role: Role): Promise<void> => {
    for (;;) {
      await clock.sleep(START_RETRY_MS, stopped.signal);
      try {
        await started(role);
        note?.(role, null);
        log.info({ role }, "role runs now");
        return;
      } catch (thrown) {
        note?.(role, toRenewalError(thrown));
      }
    }
  };

  return {
    gaveUp,
    async start(roles) {
      const failures: RoleFailure[] = [];
      for (const role of roles)
        await started(role).catch((thrown: unknown) => void failures.push({ role, error: toRenewalError(thrown) }));
      const [first] = failures;
      const hopeless = failures.find(({ error }) => !isPassing(error)) ?? (running.size === 0 ? first : undefined);
      if (hopeless !== undefined) throw hopeless.error;
      for (const { role, error } of failures) {
        log.error({ role, err: error, action: error.facts.action }, "role not started; it is tried again");
        note?.(role, error);
        const starting = startLater(role)
          .catch(() => {}) // Stopped meanwhile.
          .finally(() => restarts.delete(role));
        restarts.set(role, starting);
      }
    },
    async reloaded(settings) {
      const failures: RoleFailure[] = [];
      for (const [role, { reloaded }] of running)
        await reloaded?.(settings).catch((thrown: unknown) => {
          failures.push({ role, error: toRenewalError(thrown) });
        });
      return failures;
    },
    fault({ thrown, role }) {
      const roles = (role === null ? [...running.keys()] : [role]).filter((each) => !restarts.has(each));
      // Of one mishap several promises may reject: while the role is being restarted they are part of it.
      const wait = roles.length === 0 || stopped.signal.aborted ? 0 : pauseMs();
      log.error(
        { role: role ?? "all", err: thrown, restartInMs: wait },
        wait === null
          ? "internal fault, too many of them: the process ends"
          : "internal fault: the role is started again",
      );
      record(thrown, role);
      if (wait === null) giveUp();
      if (wait === null || stopped.signal.aborted) return;
      for (const each of roles) {
        const restarting = restart(each, wait)
          .catch(() => {}) // Stopped meanwhile.
          .finally(() => restarts.delete(each));
        restarts.set(each, restarting);
      }
    },
    async close() {
      stopped.abort(new Error("stopping"));
      await Promise.allSettled(restarts.values());
      await Promise.allSettled([...running.values()].map((role) => role.close()));
    },
  };
}

/** Something in the surroundings, which a later start may not meet. */
function isPassing({ facts, code }: RenewalError): boolean {
  return code !== "internal.bug" && facts.class !== "configuration";
}
