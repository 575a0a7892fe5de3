import { createPrivateKey } from "node:crypto";
import { expect, it } from "vitest";
import { decodings, dropKeyRuns, LIKE_A_KEY } from "../../src/domain/keyText.ts";
import { KEY_SPELLINGS, pieceFinder, thirtyKeys } from "../support/pairs/keySpellings.ts";

// RSA keys take seconds to create, so only the others.
const KEYS = thirtyKeys(20);

const der = (pem: string): Buffer => createPrivateKey(pem).export({ type: "pkcs8", format: "der" });
const hexOf = (value: unknown): string => Buffer.from(String(value), "base64url").toString("hex");

it.each<[string, (pem: string) => string]>([
  ["octal escapes", (pem) => Array.from(der(pem), (byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("")],
  ["raw bytes", (pem) => der(pem).toString("latin1")],
  [
    "a decimal number after its name",
    (pem) => `d=${BigInt(`0x${hexOf(createPrivateKey(pem).export({ format: "jwk" }).d)}`)}`,
  ],
])("a key that nobody knows, written as %s, leaves no eight characters in a row", (_name, spell) => {
  for (const pem of KEYS) {
    const last = decodings(`error: ${spell(pem)} end`).at(-1) ?? "";
    const shown = dropKeyRuns(last);
    for (let at = 0; at + 8 <= shown.length; at++) {
      const piece = shown.slice(at, at + 8);
      if (!"error: […] end".includes(piece)) expect(last.slice(7, -4), piece).not.toContain(piece);
    }
  }
});

it.each(Object.entries(KEY_SPELLINGS))("a key that nobody knows, written as %s, leaves no piece", (_name, spell) => {
  for (const [seed, pem] of KEYS.slice(6, 18).entries())
    expect(pieceFinder(pem)(dropKeyRuns(decodings(`error: ${spell(pem, seed)} end`).at(-1) ?? ""))).toEqual([]);
});

it("says that nothing is shown of a dump", () => {
  const [pem = ""] = KEYS;
  expect(dropKeyRuns(KEY_SPELLINGS["hexdump of the PEM"]?.(pem, 0) ?? "")).toBe(LIKE_A_KEY);
});

it.each([
  "at 2026-11-28T20:12:01.123Z pid 4711 of 1234567890 ended with exit code 1",
  "\u001b[31mError\u001b[0m: cannot read \u001b[1m/etc/ssl/www.pem\u001b[0m",
  "AADSTS7000215: Invalid client secret provided. Correlation ID: Not Available - Trace ID: none",
  "C:\\certs\\www.pem was not found",
])("what people need to read stays: %s", (text) => {
  expect(dropKeyRuns(text)).toBe(text);
});
