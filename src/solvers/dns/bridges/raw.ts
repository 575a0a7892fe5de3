import { RenewalError } from "../../../domain/errors.ts";
import { CHALLENGE_LABEL } from "../challenge.ts";

export const MODES = ["default", "raw"] as const;

/** What lego's contracts hand over in RAW mode: the receiver makes name and value of it. */
export interface RawAnswer {
  readonly domain: string;
  readonly token: string;
  readonly keyAuth: string;
}

const PREFIX = `${CHALLENGE_LABEL}.`;

/** False: the contract cannot name it, so nothing was ever published there. */
export function hasDomain(name: string): boolean {
  return name.startsWith(PREFIX);
}

/** Throws `dns.refused` where the contract cannot say it. */
export function rawAnswer(name: string, keyAuth: string | null | undefined): RawAnswer {
  if (!hasDomain(name))
    throw new RenewalError(
      "dns.refused",
      `RAW mode cannot publish at ${name}, which a CNAME leads to: set the solver's \`follow: never\``,
    );
  if (keyAuth === null || keyAuth === undefined)
    throw new RenewalError("dns.refused", `RAW mode needs the key authorization of ${name}, which is not known`);
  return { domain: name.slice(PREFIX.length), token: keyAuth.split(".", 1)[0] ?? "", keyAuth };
}
