import { z } from "zod";
import { parseSecretReference, SECRET_REFERENCE, SECRET_REFERENCE_ADVICE } from "../../domain/secretReference.ts";

export const secretReference = z
  .string({ error: (issue) => (issue.input === undefined ? undefined : SECRET_REFERENCE_ADVICE) })
  .regex(SECRET_REFERENCE, { error: SECRET_REFERENCE_ADVICE, abort: true })
  .transform(parseSecretReference);
