/** `renewd challenges list --json`. */
export interface ChallengesReport {
  readonly version: 1;
  readonly records: readonly ChallengeEntry[];
  /** Names where the provider could not be asked. */
  readonly unknown: readonly { readonly name: string; readonly solver: string; readonly why: string }[];
}

export interface ChallengeEntry {
  /** `foreign`: no renewd wrote it down; it is never removed by itself. */
  readonly state: "publishing" | "published" | "removing" | "foreign";
  readonly name: string;
  readonly value: string;
  readonly zone: string | null;
  readonly solver: string;
  readonly certificate: string | null;
  /** The client of `web.httpreq` that it is published for; null: for renewd itself, or foreign. */
  readonly client: string | null;
  readonly createdAt: string | null;
  /** Why the last removal failed. */
  readonly error: string | null;
}
