import type { SecretReference } from "./secretReference.ts";

/** Another ACME client, such as lego, that publishes dns-01 answers through renewd (`web.httpreq`). */
export interface HttpreqClient {
  readonly password: SecretReference;
  /** Name of the solver that publishes for it. */
  readonly solver: string;
  /** It may publish at `_acme-challenge.` of these names and of names below them. */
  readonly zones: readonly string[];
  /** And at exactly these names. */
  readonly delegated: readonly string[];
}

/** Passwords can be guessed from the network; shorter ones are refused. */
export const PASSWORD_CHARACTERS_MIN = 16;
