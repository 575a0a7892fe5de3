// What a deployer's tests give it for `secretOption`s: secrets by the name of their variable.
import type { DeployerDependencies } from "../../../src/deployers/base/dependencies.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import { Secret } from "../../../src/domain/secret.ts";

export function dependencies(target: string, secrets: Readonly<Record<string, string>> = {}): DeployerDependencies {
  return {
    target,
    async secret({ at }) {
      const text = secrets[at];
      if (text === undefined)
        throw new RenewalError(
          "config.secret",
          `the environment variable ${at} is not set: set it where renewd starts`,
        );
      return new Secret(text);
    },
  };
}
