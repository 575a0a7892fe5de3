import type { z } from "zod";
import { sanitize } from "../domain/text.ts";

/**
 * A member that renewd can do without. A wrong one counts as absent: such a mistake of the CA must not stop every
 * order.
 */
export function optionalMember<Schema extends z.ZodType>(schema: Schema): z.ZodCatch<z.ZodOptional<Schema>> {
  return schema.optional().catch(undefined);
}

/** Which member of the CA's answer is missing or wrong, for a message. No value of the answer is shown. */
export function wrongMember(error: z.ZodError): string {
  const [issue] = error.issues;
  if (issue === undefined) return "it cannot be read";
  const path = issue.path.map(String).join(".");
  const where = path === "" ? "the answer" : `\`${sanitize(path, 100)}\``;
  return `${where}: ${sanitize(issue.message, 150)}`;
}
