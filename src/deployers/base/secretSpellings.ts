import type { Secret } from "../../domain/secret.ts";
import { type Pieces, piecesOf } from "./pieces.ts";

const PRIVATE_KEY = /-----BEGIN ([A-Z ]*PRIVATE KEY)-----([^-]*)-----END \1-----\s*/g;
/** Any other PEM block, such as a certificate, is public. */
const PUBLIC_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----\s*/g;

/** What is searched in an answer before anything of it is quoted. */
export interface SecretSpellings {
  /** Pieces of private keys: base64 of any alignment, in its standard alphabet, without white space and padding. */
  readonly base64: Pieces;
  /** Pieces of private keys in lower-case hex. */
  readonly hex: Pieces;
  /** Pieces of private keys in DER, in lower-case hex. */
  readonly bytes: Pieces;
  /** Passwords and tokens as they are and as JSON, URLs, shells and HTML write them; null: there are none. */
  readonly passwords: RegExp | null;
  /** The same as they are, in UTF-8: for texts that are encoded together with what stands around them. */
  readonly plain: readonly Buffer[];
}

/** No eight characters of a key are shown. */
const BASE64_PIECE_CHARACTERS = 8;
/** Six bytes: shorter pieces meet by chance. */
const HEX_PIECE_CHARACTERS = 12;

export function spellingsOf(secrets: readonly (Secret | null)[]): SecretSpellings {
  const keys: KeyTexts = { base64: [], hex: [], bytes: [] };
  const passwords = new Set<string>();
  const plain: Buffer[] = [];
  for (const secret of secrets) {
    const text = secret?.reveal() ?? "";
    for (const [pem, , body = ""] of text.matchAll(PRIVATE_KEY)) addKey(Buffer.from(body, "base64"), pem, keys);
    const rest = text.replace(PRIVATE_KEY, "").replace(PUBLIC_BLOCK, "");
    for (const line of rest.split(/\r?\n/)) {
      if (line.trim() === "") continue;
      plain.push(Buffer.from(line));
      for (const one of written(line)) passwords.add(one);
    }
  }
  // The longest first: a shorter spelling may be a part of it.
  const longestFirst = [...passwords].sort((a, b) => b.length - a.length);
  return {
    base64: piecesOf(keys.base64, BASE64_PIECE_CHARACTERS),
    hex: piecesOf(keys.hex, HEX_PIECE_CHARACTERS),
    bytes: piecesOf(keys.bytes, HEX_PIECE_CHARACTERS),
    plain,
    passwords: longestFirst.length === 0 ? null : new RegExp(longestFirst.map(RegExp.escape).join("|"), "g"),
  };
}

type KeyTexts = Record<"base64" | "hex" | "bytes", string[]>;

/**
 * The numbers of a JWK and the key inside PKCS#8 begin anywhere, and base64 takes three bytes at a time: so each
 * offset. Some APIs carry the PEM text itself in base64 or hex.
 */
function addKey(der: Buffer, pem: string, { base64, hex, bytes }: KeyTexts): void {
  bytes.push(der.toString("hex"));
  for (const one of [der, Buffer.from(pem)]) {
    hex.push(one.toString("hex"));
    for (const offset of [0, 1, 2]) base64.push(one.subarray(offset).toString("base64").replace(/=+$/, ""));
  }
}

function written(password: string): string[] {
  const json = JSON.stringify(password).slice(1, -1);
  const url = encodeURIComponent(password);
  const bytes = Buffer.from(password);
  return [
    password,
    json,
    json.replaceAll("/", "\\/"),
    url,
    url.replaceAll("%20", "+"),
    url.replace(/%[0-9A-F]{2}/g, (one) => one.toLowerCase()),
    encodeURI(password),
    new URLSearchParams([["", password]]).toString().slice(1),
    // Inside quotes of either kind, and without any.
    password.replaceAll("'", `'\\''`),
    password.replaceAll("'", `'"'"'`),
    password.replace(/["\\$`]/g, "\\$&"),
    password.replace(/[^A-Za-z0-9_@%+:,./-]/g, "\\$&"),
    password.replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`),
    password.replace(/[&<>"]/g, (one) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[one] ?? one),
    // Bytes of UTF-8 that were escaped one by one, as %C3%A4, are characters after decoding.
    bytes.toString("latin1"),
    bytes.toString("base64"),
    bytes.toString("base64url"),
    bytes.toString("hex"),
  ];
}

/** Runs of an encoding, and what each may stand for: it may begin anywhere. */
const ENCODED: readonly { readonly run: RegExp; readonly decode: (run: string) => readonly Buffer[] }[] = [
  {
    run: /[A-Za-z0-9+/_-]{4,}={0,2}/g,
    decode: (run) => [0, 1, 2, 3].map((offset) => Buffer.from(run.slice(offset), "base64")),
  },
  {
    run: /(?:[0-9a-f]{2}[\s:.-]?){2,}/gi,
    decode: (run) => {
      const digits = run.replace(/[^0-9a-f]/gi, "");
      return [0, 1].map((offset) => Buffer.from(digits.slice(offset), "hex"));
    },
  },
  { run: /\d{1,3}(?:[\s,;]+\d{1,3})+/g, decode: (run) => [Buffer.from(run.split(/[\s,;]+/).map(Number))] },
];
/** A shorter password is in encoded text by chance. */
const PART_BYTES_MIN = 4;
const COLON = Buffer.from(":");

/**
 * Replaces what hides a password: base64, hex or a list of bytes of a text that the password is a part of, such as the
 * `user:password` of HTTP Basic (RFC 7617 §2).
 */
export function maskEncoded(text: string, plain: readonly Buffer[], mask: string): string {
  if (plain.length === 0) return text;
  const hides = (bytes: Buffer): boolean =>
    plain.some((one) =>
      one.length < PART_BYTES_MIN
        ? bytes.equals(one) || bytes.subarray(-one.length - 1).equals(Buffer.concat([COLON, one]))
        : bytes.includes(one),
    );
  return ENCODED.reduce(
    (last, { run, decode }) => last.replace(run, (found) => (decode(found).some(hides) ? mask : found)),
    text,
  );
}
