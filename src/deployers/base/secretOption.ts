import { z } from "zod";
import {
  parseSecretReference,
  SECRET_REFERENCE,
  SECRET_REFERENCE_ADVICE,
  type SecretReference,
} from "../../domain/secretReference.ts";

/** An option that points to a secret. `DeployerDependencies.secret` reads it at each use, so it finds a rotated one. */
export const secretOption: z.ZodType<SecretReference, string> = z
  .string({ error: (issue) => (issue.input === undefined ? undefined : SECRET_REFERENCE_ADVICE) })
  .regex(SECRET_REFERENCE, { error: SECRET_REFERENCE_ADVICE, abort: true })
  .transform(parseSecretReference);
