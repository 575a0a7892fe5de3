import type { Config } from "../config/config.ts";
import { type RenewalError, toRenewalError } from "../domain/errors.ts";
import type { EventDetail } from "../domain/event.ts";
import type { Role } from "../domain/role.ts";
import type { App } from "./app.ts";
import { appliedConfiguration } from "./applied.ts";
import type { Beats } from "./beats.ts";

/** What people see of the configuration in force: in `status`, in the history, and while the file cannot be read. */
export interface ReloadRecorder {
  started(): Promise<void>;
  ended(inForce: Config, problem: RenewalError | null): Promise<void>;
}

export function recordReloads(
  { config, context, services }: App,
  beats: Beats,
  roles: readonly Role[],
): ReloadRecorder {
  const { store, clock, log } = context;
  const attempt = async (what: string, work: Promise<void>): Promise<void> => {
    await work.catch((thrown: unknown) => log.error({ err: toRenewalError(thrown) }, `${what} not recorded`));
  };
  const inForce = async (now: Config): Promise<void> => {
    beats.configured(now);
    if (roles.includes("planner"))
      await attempt(
        "applied configuration",
        store.applied
          .read()
          .then((before) => appliedConfiguration(now, services, before, clock.now()))
          .then((applied) => store.applied.record(applied, now.certificates)),
      );
  };
  const append = (type: "config.reloaded" | "config.refused", detail: EventDetail): Promise<void> =>
    attempt(
      "reload",
      store.events.append({ at: clock.now(), type, certificate: null, renewalId: null, target: null, detail }),
    );
  return {
    async started() {
      await inForce(config);
      await beats.beat();
    },
    async ended(now, problem) {
      await inForce(now);
      const { file } = now;
      beats.note(
        "reload",
        problem && {
          message: `${file} was not reloaded, or not all of it: ${problem.message}`,
          action:
            "Fix it, check it with `renewd config check`, then reload it again: `systemctl reload renewd`, or where " +
            `systemd did not start it: \`kill -HUP ${process.pid}\`.`,
        },
      );
      await (problem === null
        ? append("config.reloaded", { file })
        : append("config.refused", { file, code: problem.code, message: problem.message }));
      await beats.beat();
    },
  };
}
