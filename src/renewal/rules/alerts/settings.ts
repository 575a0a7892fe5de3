import type { AlertSettings } from "../../../domain/alertSettings.ts";
import { DAY_MS, MINUTE_MS } from "../../../domain/time.ts";

/** What holds where the configuration does not say; its schema has the same. */
export const DEFAULT_ALERTS: AlertSettings = {
  openAfterMs: MINUTE_MS,
  resolveAfterMs: 5 * MINUTE_MS,
  storm: { alertsMax: 10, windowMs: 10 * MINUTE_MS },
  quietHours: null,
  thresholds: { lifeLeft: [0.2, 0.1, 0.03], attemptsLeft: [30, 10] },
  escalation: [],
  escalateAgainMs: null,
  routes: [],
  heartbeat: false,
  canary: null,
  exercise: null,
  selfTestMs: 7 * DAY_MS,
  webUrl: null,
  version: "",
};
