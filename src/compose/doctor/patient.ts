import type { Config } from "../../config/config.ts";
import { type LoadOptions, type LoadResult, loadConfig } from "../../config/load.ts";
import type { ConfigProblem } from "../../config/read/problems.ts";
import type { Clock } from "../../domain/clock.ts";
import { type RenewalError, toRenewalError } from "../../domain/errors.ts";
import { workerName } from "../../domain/workerName.ts";
import { openEmptyStore } from "../../store/index.ts";
import { systemClock } from "../clock.ts";
import { loadWhole } from "../reader.ts";
import { createServices, type ReloadableServices } from "../services.ts";
import { openViewer, type Viewer } from "../viewer.ts";

/** What can be had of an installation, however little of it works. */
export interface Patient extends AsyncDisposable {
  readonly file: string;
  readonly problems: readonly ConfigProblem[];
  /** null: there are mistakes beyond missing secrets. */
  readonly config: Config | null;
  readonly services: ReloadableServices | null;
  /** The database, opened to read; or why it cannot be. */
  readonly viewer: Viewer | RenewalError;
  readonly clock: Clock;
}

/** Without the database, the file alone: that it does not answer is a finding of its own. */
function loadAsPossible(file: string, options: LoadOptions): Promise<LoadResult> {
  return loadWhole(file, options).catch(() => loadConfig(file, { ...options, stored: "unread" }));
}

export async function openPatient(file: string): Promise<Patient> {
  const strict = await loadAsPossible(file, {});
  // Only a secret may be missing: the rest can be checked all the same.
  const loaded = strict.ok ? strict : await loadAsPossible(file, { secrets: "optional" });
  const config = loaded.ok ? loaded.config : null;
  const viewer = await openViewer(file).catch(toRenewalError);
  // CAs and names are asked all the same when the database does not open.
  const store = "store" in viewer ? viewer.store : await openEmptyStore(workerName());
  return {
    file,
    problems: strict.ok ? [] : strict.problems,
    config,
    services: config === null ? null : createServices(config, store, systemClock),
    viewer,
    clock: systemClock,
    async [Symbol.asyncDispose]() {
      await store.close();
    },
  };
}
