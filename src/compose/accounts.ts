import { createAccountAdmin } from "../acme/accountAdmin.ts";
import { suggestion } from "../config/text.ts";
import type { AccountAdmin } from "../domain/account.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Reader } from "./app.ts";

/** The account of a configured issuer. Throws `request.invalid` with the nearest name. */
export function accountAdmin({ config, store, clock }: Reader, issuer: string): AccountAdmin {
  const options = config.issuers.get(issuer);
  if (options === undefined)
    throw new RenewalError("request.invalid", `issuer "${issuer.slice(0, 80)}" is not configured${suggestion(issuer, [...config.issuers.keys()])}`);
  return createAccountAdmin(options, { accounts: store.accounts, now: clock.now });
}
