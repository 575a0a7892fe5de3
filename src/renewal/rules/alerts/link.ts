import { DAY_MS } from "../../../domain/time.ts";

/** A link in a message is good for this long after it. */
const LINK_MS = DAY_MS;

/** What a link of a message acknowledges. */
export interface LinkClaim {
  readonly alert: string;
  /** How often the alert was acknowledged before: the link is good for the next time only. */
  readonly acknowledgements: number;
  /** The channel it was sent by. */
  readonly channel: string;
  /** ms since epoch. */
  readonly expiresAt: number;
}

type Sign = (text: string) => string;

/**
 * The same for the same message: sent again, it has the same link. Letters, digits, hyphens, underscores and one dot:
 * no chat takes any of it for markup.
 */
export function linkToken(claim: Omit<LinkClaim, "expiresAt"> & { readonly at: number }, sign: Sign): string {
  const { alert, acknowledgements, channel, at } = claim;
  const text = [alert, acknowledgements, channel, at + LINK_MS].join(" ");
  return `${Buffer.from(text).toString("base64url")}.${sign(text)}`;
}

const TOKEN = /^([\w-]{20,200})\.([\w-]{20,100})$/;
const CLAIM = /^([0-9a-f]{8}) (\d{1,9}) ([a-z0-9][a-z0-9._-]{0,63}) (\d{1,15})$/;

/** null: nobody with the master key made it. */
export function readLink(token: string, sign: Sign, isSame: (a: string, b: string) => boolean): LinkClaim | null {
  const [, encoded = "", code = ""] = TOKEN.exec(token) ?? [];
  const text = Buffer.from(encoded, "base64url").toString();
  const [, alert, acknowledgements, channel, expiresAt] = CLAIM.exec(text) ?? [];
  if (alert === undefined || channel === undefined || !isSame(sign(text), code)) return null;
  return { alert, acknowledgements: Number(acknowledgements), channel, expiresAt: Number(expiresAt) };
}
