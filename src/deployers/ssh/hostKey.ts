import { createHash } from "node:crypto";
import { z } from "zod";

const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}$/;
/** As in /etc/ssh/ssh_host_*_key.pub: type, base64, optional comment. */
const PUBLIC_KEY = /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) ([A-Za-z0-9+/]{40,}={0,2})(?: .{0,200})?$/;

const one = z
  .string()
  .max(4096)
  .refine((text) => FINGERPRINT.test(text) || PUBLIC_KEY.test(text), {
    message:
      "give the host key's SHA256:… fingerprint or its public key line; on the host: " +
      "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
  });

export const hostKeyOption = z
  .union([one, z.array(one).min(1).max(8)])
  .describe(
    "The server's host key, so that no other machine gets the pair: its SHA256:… fingerprint or its public key " +
      "line; a list while the key changes. On the host: `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`.",
  )
  .transform((given) => (typeof given === "string" ? [given] : given));

export interface OfferedKey {
  /** Such as ssh-ed25519. */
  readonly type: string;
  /** SHA256:…, as OpenSSH prints it. */
  readonly fingerprint: string;
}

/** `blob` is the key in its wire format (RFC 4253 §6.6): a string with its type, then the rest. */
export function offeredKey(blob: Buffer): OfferedKey {
  const length = blob.length < 4 ? 0 : blob.readUInt32BE(0);
  return {
    type: blob
      .subarray(4, 4 + Math.min(length, 64))
      .toString("ascii")
      .replace(/[^\x21-\x7e]/g, "?"),
    fingerprint: fingerprintOf(blob),
  };
}

export function isPinned(pinned: readonly string[], { fingerprint }: OfferedKey): boolean {
  return pinned.some((text) => {
    const base64 = PUBLIC_KEY.exec(text)?.[2];
    return fingerprint === (base64 === undefined ? text : fingerprintOf(Buffer.from(base64, "base64")));
  });
}

/**
 * Signature algorithms to offer, so that a server with several host keys shows the pinned one. null: any, because a
 * fingerprint does not contain the key's type. An ssh-rsa key signs with SHA-2 (RFC 8332); SHA-1 is not offered.
 */
export function hostKeyAlgorithms(pinned: readonly string[]): string[] | null {
  const types = pinned.map((text) => PUBLIC_KEY.exec(text)?.[1]);
  if (types.includes(undefined)) return null;
  return [
    ...new Set(
      types.flatMap((type) =>
        type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256"] : type === undefined ? [] : [type],
      ),
    ),
  ];
}

function fingerprintOf(blob: Buffer): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}
