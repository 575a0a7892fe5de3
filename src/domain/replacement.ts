/** The replacement of many certificates by a deadline; the planner works on it. Instants are ms since epoch. */
export interface Replacement {
  readonly id: string;
  /** What was asked for, such as `--issuer le`, for people. */
  readonly selection: string;
  /** The issuer to order from; null: as configured. */
  readonly issuer: string | null;
  readonly deadline: number;
  readonly createdAt: number;
  /** When it was cancelled; null: members are still replaced. */
  readonly endedAt: number | null;
}

/** Done once a later generation of the certificate is verified: nothing to keep in step, nothing lost in a crash. */
export interface ReplacementMember {
  readonly replacement: string;
  readonly certificate: string;
  /** The generation to be replaced. */
  readonly generation: number;
  /** From 0: it waits until the members of all earlier waves are done. */
  readonly wave: number;
}

export interface ReplacementStore {
  create(replacement: Replacement, members: readonly ReplacementMember[]): Promise<void>;
  /** Newest first. */
  list(): Promise<Replacement[]>;
  members(replacement: string): Promise<ReplacementMember[]>;
  /** Of a replacement that was not cancelled; of several the one that replaces the latest generation. */
  of(certificate: string): Promise<ReplacementMembership | null>;
  /** As `of`, for every member. */
  memberships(): Promise<ReplacementMembership[]>;
  /** False: it had ended, or there is none. */
  end(replacement: string, at: number): Promise<boolean>;
  /**
   * The certificate was proved, or left the configuration: members of the next wave are checked now if none of the
   * waves up to the certificate's own is left. Call it after the commit: of two that finish a wave together, the later
   * one sees both.
   */
  wakeNextWave(certificate: string, now: number): Promise<void>;
}

export interface ReplacementMembership extends ReplacementMember {
  readonly issuer: string | null;
  readonly deadline: number;
  /** How many members of earlier waves are not done. */
  readonly waitsFor: number;
}
