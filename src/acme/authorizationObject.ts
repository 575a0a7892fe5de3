import { z } from "zod";
import { DNS_PERSIST, ISSUER_DOMAIN_NAME, ISSUER_DOMAIN_NAMES_MAX } from "../domain/dnsPersist.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Identifier } from "../domain/identifier.ts";
import { canonicalIdentifier } from "../x509/leaf.ts";
import { optionalMember, wrongMember } from "./member.ts";

/** What polling a challenge needs (RFC 8555 §8). One without a status has not begun. */
const challengeStateSchema = z.object({
  status: z.enum(["pending", "processing", "valid", "invalid"]).default("pending"),
  error: z.unknown().optional(),
});
/** What renewd needs of a challenge that it answers. The others of an authorization may be anything. */
const answeredSchema = challengeStateSchema.extend({
  status: challengeStateSchema.shape.status.catch("pending"),
  url: z.string(),
});
const tokenSchema = answeredSchema.extend({ token: z.string() });
const issuerDomainNamesSchema = z.array(z.string().regex(ISSUER_DOMAIN_NAME)).min(1).max(ISSUER_DOMAIN_NAMES_MAX);
const persistSchema = z.union([
  answeredSchema.extend({ issuerDomainNames: issuerDomainNamesSchema }),
  // Drafts -00 and -01, which Let's Encrypt's staging and Pebble 2.10 follow; -01 says the URI to use as well.
  answeredSchema.extend({
    "issuer-domain-names": issuerDomainNamesSchema,
    accounturi: optionalMember(z.string().max(2000)),
  }),
]);
const offerSchema = z.object({ type: z.string().catch("") }).catch({ type: "" });
/** RFC 8555 §7.1.4 */
export const authorizationSchema = z.object({
  identifier: z.object({ type: z.enum(["dns", "ip"]), value: z.string() }),
  status: z.enum(["pending", "valid", "invalid", "deactivated", "expired", "revoked"]),
  challenges: z.array(z.unknown()).max(50),
  wildcard: optionalMember(z.boolean()),
});

export type Authorization = z.infer<typeof authorizationSchema>;

/** Throws `acme.server`, which names the wrong member. */
export function readAuthorization(data: unknown): Authorization {
  const parsed = authorizationSchema.safeParse(data);
  if (parsed.success) return parsed.data;
  throw notRead("answer is not an ACME authorization (RFC 8555 §7.1.4)", parsed.error);
}

/** Throws `acme.server`, which names the wrong member. */
export function readChallengeState(data: unknown): z.infer<typeof challengeStateSchema> {
  const parsed = challengeStateSchema.safeParse(data);
  if (parsed.success) return parsed.data;
  throw notRead("answer is not an ACME challenge (RFC 8555 §8)", parsed.error);
}

function notRead(what: string, error: z.ZodError): RenewalError {
  return new RenewalError("acme.server", `The CA's ${what}: ${wrongMember(error)}.`, { cause: error });
}

export interface Challenge extends z.infer<typeof answeredSchema> {
  /** null: dns-persist-01 has none. */
  readonly token: string | null;
  /** By which names a standing record may name the CA, and the account as the CA says it; null: another type. */
  readonly standing: {
    readonly issuerDomainNames: readonly string[];
    readonly accountUri: string | null;
    readonly isHashed: boolean;
  } | null;
}

/** Types of the challenges that the CA offers; "" for what cannot be read. */
function typesOf({ challenges }: Authorization): string[] {
  return challenges.map((challenge) => offerSchema.parse(challenge).type);
}

/** Types of the challenges that the CA offers. */
export function offeredTypes(authorization: Authorization): string[] {
  return typesOf(authorization).filter((type) => type !== "");
}

/** The challenge of this type; undefined: it is not offered. Throws `acme.server`, which names the wrong member. */
export function offeredChallenge(authorization: Authorization, type: string): Challenge | undefined {
  const index = typesOf(authorization).indexOf(type);
  if (index < 0) return undefined;
  const found = authorization.challenges[index];
  if (type === DNS_PERSIST) return persistChallenge(found);
  const parsed = tokenSchema.safeParse(found);
  if (parsed.success) return { ...parsed.data, standing: null };
  throw notRead(`${type} challenge cannot be used (RFC 8555 §8)`, parsed.error);
}

function persistChallenge(found: unknown): Challenge {
  const parsed = persistSchema.safeParse(found);
  if (!parsed.success)
    throw notRead(`${DNS_PERSIST} challenge cannot be used (draft-ietf-acme-dns-persist §3.1)`, parsed.error);
  const { status, url, error, ...rest } = parsed.data;
  const standing =
    "issuerDomainNames" in rest
      ? { issuerDomainNames: rest.issuerDomainNames, accountUri: null, isHashed: true }
      : { issuerDomainNames: rest["issuer-domain-names"], accountUri: rest.accounturi ?? null, isHashed: false };
  return { status, url, error, token: null, standing };
}

/** Why the CA refused a challenge of the authorization; undefined: it does not say. */
export function offeredError({ challenges }: Authorization): unknown {
  return challenges
    .map((challenge) => challengeStateSchema.safeParse(challenge).data)
    .find((challenge) => challenge?.status === "invalid")?.error;
}

/**
 * An answer proves control of a name to whoever asks for the name: a hostile CA, or one between us and another CA, must
 * not get one for a name outside the order (RFC 8555 §7.1.4: a wildcard's authorization is for the name below `*.`).
 */
export function isAskedFor({ identifier, wildcard }: Authorization, identifiers: readonly Identifier[]): boolean {
  const key = ({ type, value }: Identifier): string => `${type} ${canonicalIdentifier({ type, value }).value}`;
  const value = `${wildcard ? "*." : ""}${identifier.value.toLowerCase()}`;
  return identifiers.some((each) => key(each) === key({ ...identifier, value }));
}
