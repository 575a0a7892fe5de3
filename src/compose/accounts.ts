import type { Config } from "../config/config.ts";
import { suggestion } from "../config/read/suggestions.ts";
import type { AccountAdmin } from "../domain/account.ts";
import type { Clock } from "../domain/clock.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Store } from "../domain/store.ts";
import { accountsByDirectory, issuerOptions } from "./issuerOptions.ts";
import { trustSystemAuthorities } from "./systemTrust.ts";

/**
 * The account of a configured issuer; the ACME client is loaded only now. Throws `request.invalid` with the nearest
 * name.
 */
export async function accountAdmin(
  { config, store, clock }: { readonly config: Config; readonly store: Store; readonly clock: Clock },
  issuer: string,
): Promise<AccountAdmin> {
  const options = config.issuers.get(issuer);
  if (options === undefined)
    throw new RenewalError(
      "request.invalid",
      `issuer "${issuer.slice(0, 80)}" is not configured${suggestion(issuer, [...config.issuers.keys()])}`,
    );
  trustSystemAuthorities();
  const { createAccountAdmin } = await import("../acme/accountAdmin.ts");
  const dependencies = { accounts: accountsByDirectory(store.accounts, [...config.issuers.keys()]), now: clock.now };
  return createAccountAdmin(issuerOptions(options, config), dependencies);
}
