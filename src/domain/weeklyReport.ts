/** As `Date.getUTCDay` counts them. */
export const WEEKDAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** When the weekly report is mailed, and by which channel. */
export interface WeeklyReportSettings {
  readonly channel: string;
  readonly weekday: Weekday;
  /** Of the day, in the time zone. */
  readonly minute: number;
  readonly timeZone: string;
}

/** A text for people; `html` says the same. Everything foreign in it is inert. */
export interface WrittenReport {
  /** One line. */
  readonly title: string;
  readonly text: string;
  readonly html: string;
}
