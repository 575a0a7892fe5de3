/** When routine renewals may begin. What is urgent never waits for it. */
export interface Maintenance {
  /** Empty: at any time. */
  readonly windows: readonly MaintenanceWindow[];
  readonly freezes: readonly Freeze[];
}

export interface MaintenanceWindow {
  /** Five cron fields (minute, hour, day of month, month, day of week) of the window's beginning. */
  readonly cron: string;
  readonly durationMs: number;
  /** IANA name such as `Europe/Berlin`. */
  readonly timeZone: string;
}

export interface Freeze {
  /** ms since epoch. */
  readonly from: number;
  /** ms since epoch, exclusive. */
  readonly until: number;
  readonly reason: string;
}
