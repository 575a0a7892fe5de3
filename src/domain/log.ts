/** Fields every log line about a renewal carries under these very names. */
export interface LogFields {
  readonly certificate?: string;
  readonly renewalId?: string;
  readonly target?: string;
  readonly endpoint?: string;
  readonly err?: unknown;
  readonly [field: string]: unknown;
}

export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}
