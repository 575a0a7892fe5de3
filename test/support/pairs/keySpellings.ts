// How programs write a private key that they repeat, and how to find a piece of one.
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";

/** As PEM of one of the formats programs convert to. `seed` chooses among variants of one spelling. */
type Spell = (pem: string, seed: number) => string;

const lines = (pem: string): string[] => pem.trim().split("\n");
const body = (pem: string): string => lines(pem).slice(1, -1).join("");
const der = (pem: string): Buffer => Buffer.from(body(pem), "base64");
const wrap = (text: string, columns: number): string =>
  text.match(new RegExp(`.{1,${columns}}`, "g"))?.join("\n") ?? "";
const json = (text: string): string => JSON.stringify(text).slice(1, -1);
const entities = (text: string, which: RegExp, base: 10 | 16): string =>
  text.replace(which, (one) => `&#${base === 16 ? "x" : ""}${one.charCodeAt(0).toString(base)};`);

/** As `xxd` and `hexdump -C` print: offset, hex, text. */
const dump = (bytes: Buffer, group: number): string =>
  Array.from({ length: Math.ceil(bytes.length / 16) }, (_, row) => {
    const line = bytes.subarray(row * 16, row * 16 + 16);
    const hex = line.toString("hex").match(new RegExp(`.{1,${group}}`, "g")) ?? [];
    const text = line.toString("latin1").replace(/[^ -~]/g, ".");
    return `${(row * 16).toString(16).padStart(8, "0")}: ${hex.join(" ")}  |${text}|`;
  }).join("\n");

export const KEY_SPELLINGS: Readonly<Record<string, Spell>> = {
  PEM: (pem) => pem,
  "PEM with CRLF": (pem) => pem.replaceAll("\n", "\r\n"),
  "PEM in JSON": (pem) => JSON.stringify({ data: { privateKey: pem } }),
  "PEM in JSON in JSON": (pem) => JSON.stringify({ body: JSON.stringify({ privateKey: pem }) }),
  "PEM in JSON as PHP writes it": (pem) => `{"privateKey":"${json(pem).replaceAll("/", "\\/")}"}`,
  "PEM in JSON as \\u escapes": (pem) =>
    pem.replace(/[+/=\n-]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`),
  "re-wrapped": (pem, seed) => wrap(body(pem), [60, 76, 10, 48, 33][seed % 5] ?? 60),
  "a single line": (pem) => body(pem),
  "spaced out": (pem, seed) => [...body(pem)].join(seed % 2 === 0 ? " " : "\n"),
  "lines quoted and joined": (pem) =>
    lines(pem)
      .map((line) => `'${line}\\n' +`)
      .join("\n    "),
  base64: (pem) => der(pem).toString("base64"),
  base64url: (pem) => der(pem).toString("base64url"),
  "base64 of the PEM": (pem, seed) => Buffer.from(`${"x".repeat(seed % 3)}${pem}`).toString("base64"),
  "hex, lower case": (pem) => der(pem).toString("hex"),
  "hex, upper case": (pem) => der(pem).toString("hex").toUpperCase(),
  "hex, colons": (pem, seed) =>
    wrap(
      der(pem)
        .toString("hex")
        .replace(/..(?=.)/g, "$&:"),
      seed % 2 === 0 ? 45 : 60,
    ),
  "hex, escaped": (pem, seed) =>
    der(pem)
      .toString("hex")
      .replace(/../g, seed % 2 === 0 ? "\\x$&" : "0x$&, "),
  bytes: (pem, seed) => (seed % 2 === 0 ? JSON.stringify(der(pem)) : `[${[...der(pem)].join(" ")}]`),
  "octal escapes": (pem) => Array.from(der(pem), (byte) => `\\${byte.toString(8).padStart(3, "0")}`).join(""),
  "PEM in octal escapes": (pem) =>
    pem.replace(/[^A-Za-z0-9]/g, (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, "0")}`),
  "URL-encoded": (pem) => `privateKey=${encodeURIComponent(pem)}&x=1`,
  "form-encoded": (pem) => new URLSearchParams({ privateKey: pem }).toString(),
  "URL-encoded twice": (pem) => encodeURIComponent(encodeURIComponent(pem)),
  "HTML entities": (pem, seed) => entities(pem, seed % 2 === 0 ? /[^A-Za-z0-9]/g : /./gs, seed % 3 === 0 ? 16 : 10),
  JWK: (pem, seed) => {
    const jwk = Object.entries(createPrivateKey(pem).export({ format: "jwk" }));
    const secret = jwk.filter(([name]) => ["d", "p", "q", "dp", "dq", "qi"].includes(name));
    return JSON.stringify(Object.fromEntries(seed % 2 === 0 ? jwk : secret));
  },
  "UTF-16": (pem) => Buffer.from(pem, "utf16le").toString("latin1"),
  "lines in reverse": (pem) => lines(pem).reverse().join("\n"),
  "hexdump of the PEM": (pem, seed) => dump(Buffer.from(pem), seed % 2 === 0 ? 2 : 4),
  "hexdump of the key": (pem, seed) => dump(der(pem), seed % 2 === 0 ? 2 : 4),
  "od -c": (pem, seed) =>
    wrap(pem, 16)
      .split("\n")
      .map(
        (line, row) => `${(row * 16).toString(8).padStart(7, "0")}   ${[...line].join(seed % 2 === 0 ? "   " : " ")}`,
      )
      .join("\n"),
  "lines of a log": (pem, seed) =>
    wrap(body(pem), [64, 32, 16, 10, 8][seed % 5] ?? 64)
      .split("\n")
      .map((line, row) => `2026-11-28T21:00:${String(row % 60).padStart(2, "0")}.123Z app[1234]: line ${row}: ${line}`)
      .join("\n"),
  "words between pieces": (pem, seed) =>
    wrap(body(pem), [8, 9, 11, 12][seed % 4] ?? 8)
      .split("\n")
      .map((line, row) => `field number ${row} has the value ${line} which is wrong`)
      .join(seed % 2 === 0 ? ", " : "\n"),
  "quoted-printable": (pem) => wrap(pem.replaceAll("=", "=3D"), 75).replaceAll("\n", "=\n"),
};

const TYPES = [
  ...Array.from({ length: 12 }, () => ["ec", { namedCurve: "P-256" }] as const),
  ...Array.from({ length: 8 }, () => ["ec", { namedCurve: "P-384" }] as const),
  ...Array.from({ length: 8 }, () => ["rsa", { modulusLength: 2048 }] as const),
  ["rsa", { modulusLength: 3072 }] as const,
  ["rsa", { modulusLength: 4096 }] as const,
];

/** Thirty private keys of every type renewd issues for, as PKCS#8 in PEM; the first twenty are not RSA. */
export function thirtyKeys(count = TYPES.length): string[] {
  return TYPES.slice(0, count).map((type) => {
    const { privateKey }: { privateKey: KeyObject } =
      type[0] === "ec" ? generateKeyPairSync("ec", type[1]) : generateKeyPairSync("rsa", type[1]);
    return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  });
}

const BASE64_PIECE = 8;
/** Six bytes: a shorter one meets a fingerprint by chance. */
const HEX_PIECE = 12;

/** Finds pieces of 8 characters (12 of hex) of the secret numbers of a key, in whatever a text or error holds. */
export function pieceFinder(pem: string): (text: string) => string[] {
  const { d, p, q, dp, dq, qi } = createPrivateKey(pem).export({ format: "jwk" });
  const numbers = [d, p, q, dp, dq, qi].flatMap((one) => (one === undefined ? [] : [Buffer.from(one, "base64url")]));
  const [base64, hex] = [new Set<string>(), new Set<string>()];
  const add = (text: string, length: number, pieces: Set<string>): void => {
    for (let at = 0; at + length <= text.length; at++) pieces.add(text.slice(at, at + length));
  };
  // Base64 inside base64, too: a line of the PEM begins anywhere.
  const inPem = lines(pem)
    .slice(2, -1)
    .map((line) => Buffer.from(line));
  for (const number of [...numbers, ...inPem]) {
    add(number.toString("hex"), HEX_PIECE, hex);
    for (const offset of [0, 1, 2]) {
      const whole = number.subarray(offset, number.length - ((number.length - offset) % 3));
      add(whole.toString("base64"), BASE64_PIECE, base64);
    }
  }
  return (text) => {
    const packed = text
      .replaceAll("-", "+")
      .replaceAll("_", "/")
      .replace(/[^A-Za-z0-9+/]+/g, "");
    const hexOnly = text
      .toLowerCase()
      .replace(/(?:0|\\)x/g, "")
      .replace(/[^0-9a-f]+/g, "");
    const found: string[] = [];
    for (let at = 0; at < packed.length; at++) {
      const piece = packed.slice(at, at + BASE64_PIECE);
      if (base64.has(piece)) found.push(piece);
    }
    for (let at = 0; at < hexOnly.length; at++) {
      const piece = hexOnly.slice(at, at + HEX_PIECE);
      if (hex.has(piece)) found.push(piece);
    }
    return found;
  };
}
