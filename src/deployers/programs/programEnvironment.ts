import { z } from "zod";
import type { IssuedCertificate } from "../../domain/version.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { secretOption } from "../base/secretOption.ts";

const variable = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "must be the name of an environment variable")
  .refine((name) => !name.startsWith("RENEWD_"), "names beginning with RENEWD_ are renewd's");

/** The program's variables beside renewd's own. Nothing of the worker's environment is passed on by itself. */
export const environmentOptions = {
  environment: z
    .record(variable, z.string().max(4096))
    .default({})
    .describe("Environment variables for the program, such as a host name. Not for secrets."),
  secretEnvironment: z
    .record(variable, secretOption)
    .default({})
    .describe(
      "Environment variables whose values are secrets: each is `env:NAME` or `file:/path`, read when the " +
        "program is run.",
    ),
};

type EnvironmentOptions = z.infer<z.ZodObject<typeof environmentOptions>>;

/** The whole environment but what every command gets. Some values are secret. Throws `config.secret`. */
export async function programEnvironment(
  { environment, secretEnvironment }: EnvironmentOptions,
  { target, secret }: DeployerDependencies,
  pair: IssuedCertificate,
): Promise<Record<string, string>> {
  const secrets = await Promise.all(
    Object.entries(secretEnvironment).map(async ([name, at]) => [name, (await secret(at)).reveal()] as const),
  );
  return {
    ...environment,
    ...Object.fromEntries(secrets),
    RENEWD_TARGET: target,
    RENEWD_CERTIFICATE: pair.certificate,
    RENEWD_GENERATION: String(pair.generation),
    RENEWD_FINGERPRINT: pair.leaf.fingerprint,
    RENEWD_NAMES: pair.leaf.identifiers.map(({ value }) => value).join(" "),
  };
}

/** For preflight: throws `config.secret` for one that cannot be read. */
export async function checkSecrets(
  { secretEnvironment }: EnvironmentOptions,
  { secret }: DeployerDependencies,
): Promise<void> {
  for (const reference of Object.values(secretEnvironment)) await secret(reference);
}
