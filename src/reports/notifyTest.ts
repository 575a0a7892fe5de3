/** `renewd notify --json`. */
export interface NotifyReport {
  readonly version: 1;
  readonly channels: readonly NotifyEntry[];
}

export interface NotifyEntry {
  readonly channel: string;
  readonly sent: boolean;
  readonly error: { readonly code: string; readonly message: string; readonly action: string } | null;
}
