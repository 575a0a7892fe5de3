import { z } from "zod";
import type { Identifier } from "../domain/identifier.ts";
import { canonicalIdentifier } from "../x509/leaf.ts";

/** RFC 8555 §8 */
export const challengeSchema = z.object({
  type: z.string(),
  url: z.string(),
  status: z.enum(["pending", "processing", "valid", "invalid"]),
  token: z.string().optional(),
  error: z.unknown().optional(),
});
/** RFC 8555 §7.1.4 */
export const authorizationSchema = z.object({
  identifier: z.object({ type: z.enum(["dns", "ip"]), value: z.string() }),
  status: z.enum(["pending", "valid", "invalid", "deactivated", "expired", "revoked"]),
  challenges: z.array(challengeSchema).max(50),
  wildcard: z.boolean().optional(),
});

type Authorization = z.infer<typeof authorizationSchema>;

/**
 * An answer proves control of a name to whoever asks for the name: a hostile CA, or one between us and another CA, must
 * not get one for a name outside the order (RFC 8555 §7.1.4: a wildcard's authorization is for the name below `*.`).
 */
export function isAskedFor({ identifier, wildcard }: Authorization, identifiers: readonly Identifier[]): boolean {
  const key = ({ type, value }: Identifier): string => `${type} ${canonicalIdentifier({ type, value }).value}`;
  const value = `${wildcard ? "*." : ""}${identifier.value.toLowerCase()}`;
  return identifiers.some((each) => key(each) === key({ ...identifier, value }));
}
