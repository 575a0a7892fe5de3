import type { Secret } from "../../domain/secret.ts";
import type { SecretReference } from "../../domain/secretReference.ts";

/** What every deployer is given beside its options. */
export interface DeployerDependencies {
  /** The target's name in configuration, for messages. */
  readonly target: string;
  /** Reads what a `secretOption` points to, again at each call. Throws `config.secret`. */
  readonly secret: (reference: SecretReference) => Promise<Secret>;
}
