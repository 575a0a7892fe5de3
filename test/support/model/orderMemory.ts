// The ports an issuer needs, in memory. Progress keeps its state over attempts, so a test can end one attempt and start
// the next as after a crash.
import type {
  Account,
  Accounts,
  ChallengeResponses,
  OrderEvent,
  OrderProgress,
  OrderState,
} from "../../../src/domain/issuer.ts";

export interface MemoryAccounts extends Accounts {
  readonly stored: Map<string, Account>;
}

export function memoryAccounts(): MemoryAccounts {
  const stored = new Map<string, Account>();
  const key = (issuer: string, directory: string): string => `${issuer} ${directory}`;
  const change = (issuer: string, directory: string, to: (account: Account) => Partial<Account>): void => {
    const account = stored.get(key(issuer, directory));
    if (!account) throw new Error("no such account");
    stored.set(key(issuer, directory), { ...account, ...to(account) });
  };
  return {
    stored,
    get: async (issuer, directory) => stored.get(key(issuer, directory)) ?? null,
    follow: async () => null,
    async create(issuer, directory, privateKey) {
      const account = stored.get(key(issuer, directory)) ?? {
        url: null,
        privateKey,
        pendingKey: null,
        contactDigest: null,
      };
      stored.set(key(issuer, directory), account);
      return account;
    },
    setUrl: async (issuer, directory, url) => change(issuer, directory, () => ({ url })),
    setPendingKey: async (issuer, directory, pendingKey) => change(issuer, directory, () => ({ pendingKey })),
    promotePendingKey: async (issuer, directory) =>
      change(issuer, directory, ({ privateKey, pendingKey }) => ({
        privateKey: pendingKey ?? privateKey,
        pendingKey: null,
      })),
    setContactDigest: async (issuer, directory, contactDigest) => change(issuer, directory, () => ({ contactDigest })),
    async remove(issuer, directory) {
      stored.delete(key(issuer, directory));
    },
  };
}

export interface MemoryChallenges extends ChallengeResponses {
  readonly stored: Map<string, string>;
  /** Every token ever put. */
  readonly seen: string[];
}

export function memoryChallenges(): MemoryChallenges {
  const stored = new Map<string, string>();
  const seen: string[] = [];
  return {
    stored,
    seen,
    async put(token, keyAuthorization) {
      stored.set(token, keyAuthorization);
      seen.push(token);
    },
    async claim(place, keyAuthorization) {
      if ((stored.get(place) ?? keyAuthorization) !== keyAuthorization) return false;
      stored.set(place, keyAuthorization);
      seen.push(place);
      return true;
    },
    get: async (token) => stored.get(token) ?? null,
    async remove(token, keyAuthorization) {
      if (stored.get(token) === keyAuthorization) stored.delete(token);
    },
  };
}

export interface MemoryProgress extends OrderProgress {
  state: OrderState;
  readonly events: OrderEvent[];
  readonly abandoned: string[];
  /** With what was only noted. */
  saves: number;
  /** Called with the number of a save (from 1), before it is stored; throwing loses it, as a crash does. */
  beforeSave: ((save: number) => void) | null;
  /** As beforeSave, but after the state was stored. */
  afterSave: ((save: number) => void) | null;
}

export function memoryProgress(): MemoryProgress {
  const progress: MemoryProgress = {
    state: { privateKey: null, orderUrl: null, csr: null },
    events: [],
    abandoned: [],
    saves: 0,
    beforeSave: null,
    afterSave: null,
    load: async () => progress.state,
    async save(state, event) {
      progress.saves++;
      progress.beforeSave?.(progress.saves);
      progress.state = { ...progress.state, ...state };
      if (event) progress.events.push(event);
      progress.afterSave?.(progress.saves);
    },
    // Counted with the saves: a crash may come here too.
    note(event) {
      progress.saves++;
      progress.beforeSave?.(progress.saves);
      progress.events.push(event);
      progress.afterSave?.(progress.saves);
    },
    async reserve() {},
    async unreserve() {},
    async abandon(why) {
      progress.abandoned.push(why);
      progress.state = { ...progress.state, orderUrl: null, csr: null };
    },
  };
  return progress;
}
