/** The replacement of many certificates at once, worked off by the planner. Instants are ms since epoch. */
export interface Campaign {
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
export interface CampaignMember {
  readonly campaign: string;
  readonly certificate: string;
  /** The generation to be replaced. */
  readonly generation: number;
  /** From 0: its turn comes when the members of all waves before are done. */
  readonly wave: number;
}

export interface CampaignStore {
  create(campaign: Campaign, members: readonly CampaignMember[]): Promise<void>;
  /** Newest first. */
  list(): Promise<Campaign[]>;
  members(campaign: string): Promise<CampaignMember[]>;
  /** Of a campaign that was not cancelled; of several the one that replaces the latest generation. */
  of(certificate: string): Promise<Membership | null>;
  /** As `of`, for every member. */
  memberships(): Promise<Membership[]>;
  end(campaign: string, at: number): Promise<void>;
}

export interface Membership extends CampaignMember {
  readonly issuer: string | null;
  readonly deadline: number;
  /** How many members of earlier waves are not done. */
  readonly waitsFor: number;
}
