import { expect, it } from "vitest";
import { plainWords } from "../../src/domain/plainWords.ts";
import { KEY_SPELLINGS, pieceFinder, thirtyKeys } from "../support/pairs/keySpellings.ts";

it.each([
  ['unknown directive "hunter2" in /etc/nginx/nginx.conf:12', 'unknown directive "…" in /etc/nginx/nginx.conf:12'],
  [
    "SSL_CTX_use_PrivateKey failed (SSL: error:05800074:x509 certificate routines::key values mismatch)",
    "SSL_CTX_use_PrivateKey failed (SSL: error:…:x509 certificate routines::key values mismatch)",
  ],
  [
    "profile /Common/www-clientssl's key doesn't match (400)",
    "profile /Common/www-clientssl's key doesn't match (400)",
  ],
  ["AADSTS7000215: Invalid client secret provided", "AADSTS7000215: Invalid client secret provided"],
  [
    "User: arn:aws:sts::123456789012:assumed-role/x/i-0abc is not authorized to perform: acm:ImportCertificate",
    "User: arn:aws:sts::… is not authorized to perform: acm:ImportCertificate",
  ],
  ["the password is zq7 and the token eyJhbGciOi and the end", "the password is … and the token … and the end"],
])("keeps the known words of %s", (text, shown) => {
  expect(plainWords(text)).toBe(shown);
});

it.each([["M I G H A g E A M B M G B y q G"], ["48, 130, 4, 189, 2, 1, 0, 48"], ["zq7 zq8 zq9 and"], ["🂡🂢🂣"], [""]])(
  "keeps nothing of %s, which is no sentence",
  (text) => {
    expect(plainWords(text).replace(/[…\s]/g, "")).toMatch(/^(?:and)?$/);
  },
);

it.each(Object.entries(KEY_SPELLINGS))("leaves no piece of a key written as %s", (_name, spell) => {
  for (const [seed, key] of thirtyKeys(12).entries())
    expect(pieceFinder(key)(plainWords(`cannot take ${spell(key, seed)} in field ${seed}`))).toEqual([]);
});

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
const base32 = (bytes: Buffer): string =>
  [...bytes]
    .map((byte) => byte.toString(2).padStart(8, "0"))
    .join("")
    .match(/.{5}/g)
    ?.map((bits) => ALPHABET[Number.parseInt(bits, 2)])
    .join("") ?? "";
const UNFORESEEN: Record<string, (pem: string) => string> = {
  "in reverse": (pem) => [...pem].reverse().join(""),
  "in ROT13": (pem) =>
    pem.replace(/[a-z]/gi, (one) => String.fromCharCode(one.charCodeAt(0) + (/[a-m]/i.test(one) ? 13 : -13))),
  "in base32": (pem) => base32(Buffer.from(pem)),
  "in base32, in pieces of eight": (pem) =>
    base32(Buffer.from(pem))
      .match(/.{1,8}/g)
      ?.join(" ") ?? "",
  "in binary": (pem) => [...Buffer.from(pem)].map((byte) => byte.toString(2).padStart(8, "0")).join(" "),
  "in octal, spaced": (pem) => [...Buffer.from(pem)].map((byte) => byte.toString(8)).join(" "),
};

it.each(Object.entries(UNFORESEEN))(
  "shows next to nothing of a key written %s, a spelling that no filter knows",
  (_name, spell) => {
    for (const key of thirtyKeys(12)) {
      const written = spell(key);
      const shown = plainWords(`cannot take ${written}`);
      // Any eight characters in a row of what was written, spaces aside.
      const packed = shown.replace(/cannot take|[\s…]/g, "");
      const all = written.replace(/\s/g, "");
      const found = Array.from({ length: Math.max(0, packed.length - 7) }, (_, at) => packed.slice(at, at + 8));
      expect(found.filter((piece) => all.includes(piece) && !/PRIVATE|BEGIN|END|KEY|ETAVIRP/.test(piece))).toEqual([]);
    }
  },
);
