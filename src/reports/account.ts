import type { AccountFacts } from "../domain/account.ts";

/**
 * `renewd account show --json`, `renewd account rollover --json`, `renewd account contact --json` and
 * `renewd account deactivate --json`.
 */
export interface AccountReport {
  readonly version: 1;
  readonly issuer: string;
  /** null: none is registered, or not any more. */
  readonly account: AccountFacts | null;
}
