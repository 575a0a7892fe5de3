import type { Alert } from "../../../domain/alert.ts";
import type { AlertSettings } from "../../../domain/alertSettings.ts";
import type { Fault } from "./faults.ts";
import type { Routing } from "./routing.ts";
import type { Signal } from "./signals.ts";

/** What is known at this instant. */
export interface JudgeInput {
  readonly open: readonly Alert[];
  /** Certificates whose records were judged; the others are as they were. */
  readonly judged: ReadonlySet<string>;
  readonly faults: readonly Fault[];
  readonly signals: readonly Signal[];
  /** When each cause began and what changed then, as far as it was looked up. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** Instants of openings people were notified of lately. */
  readonly recent: readonly number[];
  readonly settings: AlertSettings;
  readonly routing: Routing;
  readonly newId: () => string;
  readonly now: number;
}

export interface Origin {
  readonly firstBadAt: number;
  readonly changed: readonly string[];
}
