import type { DueClaim } from "./dueClaim.ts";

/** When each vantage looks. What was never looked at from there is due at once. */
export interface VantageStore {
  /** As `CertificateStore.claimObservations`, for one vantage: it has its own turn for each certificate. */
  claimLooks(vantage: string, terms: DueClaim): Promise<string[]>;
  /** Looks that are due later than this are due then: nothing is put off longer by a wrong clock or interval. */
  bringForward(by: number): Promise<void>;
}
