import {
  type CipherKey,
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  randomBytes,
} from "node:crypto";
import { RenewalError } from "../domain/errors.ts";
import { Secret } from "../domain/secret.ts";
import { existingMasterKey, MASTER_KEY_BYTES, masterKeyFromFile, masterKeyFromText } from "./masterKey.ts";

/**
 * Seals values for the database. `identity` names the record and column of a value and is authenticated with it: a
 * ciphertext that was copied to another row does not open.
 */
export interface Vault {
  /** Distinguishes master keys and reveals nothing about them. */
  readonly keyId: string;
  seal(identity: string, secret: Secret): string;
  /** Throws `store.sealed` when the master key does not fit or the value was altered or moved. */
  open(identity: string, sealed: string): Secret;
  /** There is no master key: rows are shown as they are, and nothing can be opened, sealed or checked. */
  readonly isBlind?: true;
  /** HMAC-SHA256 in base64url: creating one needs the master key. */
  authenticate(text: string): string;
}

export type VaultOptions =
  /** Created on first use. */
  | { readonly file: string }
  /** 32 bytes in base64. */
  | { readonly key: Secret };

/** `renewd-sealed:1:<key id>:<wrapped data key>:<data>`, the last two base64url of IV ‖ tag ‖ ciphertext. */
const FORMAT = "renewd-sealed:1";
const IV_BYTES = 12;
const TAG_BYTES = 16;

export async function openVault(options: VaultOptions): Promise<Vault> {
  return vaultOver(
    "key" in options
      ? masterKeyFromText(options.key.reveal(), "the master key")
      : await masterKeyFromFile(options.file),
  );
}

/** As `openVault`, without making a key; null: the file does not exist. */
export async function openExistingVault(options: VaultOptions): Promise<Vault | null> {
  if ("key" in options) return openVault(options);
  const key = await existingMasterKey(options.file);
  return key === null ? null : vaultOver(key);
}

/** For reading without a master key. */
export function blindVault(): Vault {
  const refuse = (): never => {
    throw new RenewalError("store.sealed", "this needs the master key, which cannot be read here");
  };
  return { keyId: "", isBlind: true, seal: refuse, open: refuse, authenticate: refuse };
}

/** A key that exists only in memory, for a database that does. */
export function passingVault(): Vault {
  return vaultOver(randomBytes(MASTER_KEY_BYTES));
}

/** Parts are escaped so that no two records share an identity, whatever their names contain. */
export function recordIdentity(...parts: readonly (string | number)[]): string {
  return parts.map((part) => encodeURIComponent(part)).join(":");
}

function vaultOver(masterKey: Buffer): Vault {
  // Key objects: importing the bytes again for each value costs several times as much as what is done with them.
  const wrappingKey = createSecretKey(derive(masterKey, "renewd wrapping key", MASTER_KEY_BYTES));
  const authenticationKey = createSecretKey(derive(masterKey, "renewd authentication key", MASTER_KEY_BYTES));
  const keyId = derive(masterKey, "renewd key id", 8).toString("hex");
  const header = `${FORMAT}:${keyId}`;
  return {
    keyId,
    seal(identity, secret) {
      // One data key per value: the master key encrypts only random keys, never data.
      const dataKey = randomBytes(MASTER_KEY_BYTES);
      const wrapped = encrypt(wrappingKey, `${header}:key:${identity}`, dataKey);
      const data = encrypt(dataKey, `${header}:data:${identity}`, Buffer.from(secret.reveal(), "utf8"));
      dataKey.fill(0);
      return `${header}:${wrapped.toString("base64url")}:${data.toString("base64url")}`;
    },
    open(identity, sealed) {
      const [word, version, sealedBy, wrapped, data, more] = sealed.split(":");
      if (`${word}:${version}` !== FORMAT || wrapped === undefined || data === undefined || more !== undefined) {
        throw new RenewalError(
          "store.sealed",
          `the sealed value of ${identity} has a format this renewd does not know`,
        );
      }
      if (sealedBy !== keyId) {
        throw new RenewalError(
          "store.sealed",
          `the sealed value of ${identity} needs the master key with id ${sealedBy}; the one given has id ${keyId}`,
        );
      }
      try {
        const dataKey = decrypt(wrappingKey, `${header}:key:${identity}`, Buffer.from(wrapped, "base64url"));
        return new Secret(
          decrypt(dataKey, `${header}:data:${identity}`, Buffer.from(data, "base64url")).toString("utf8"),
        );
      } catch (cause) {
        throw new RenewalError(
          "store.sealed",
          `the sealed value of ${identity} was altered or belongs to another record`,
          { cause },
        );
      }
    },
    authenticate: (text) => createHmac("sha256", authenticationKey).update(text).digest("base64url"),
  };
}

function derive(masterKey: Buffer, purpose: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync("sha256", masterKey, "", purpose, bytes));
}

function encrypt(key: CipherKey, authenticated: string, data: Buffer): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, iv, { authTagLength: TAG_BYTES }).setAAD(
    Buffer.from(authenticated),
  );
  const ciphertext = Buffer.concat([cipher.update(data), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), ciphertext]);
}

function decrypt(key: CipherKey, authenticated: string, sealed: Buffer): Buffer {
  const iv = sealed.subarray(0, IV_BYTES);
  const tag = sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", key, iv, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(authenticated))
    .setAuthTag(tag);
  return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
}
