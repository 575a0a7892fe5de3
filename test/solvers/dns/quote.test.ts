import { expect, it } from "vitest";
import { Secret } from "../../../src/domain/secret.ts";
import { quote } from "../../../src/solvers/dns/rest/quote.ts";
import { KEY_SPELLINGS, pieceFinder, thirtyKeys } from "../../support/pairs/keySpellings.ts";

const KEYS = thirtyKeys(21);
const CASES = [0, 1, 2, 12, 20].map((seed) => ({ seed, pem: KEYS[seed] ?? "" }));

// A credential for Google or Oracle is a private key, and a script may print what it was given.
it.each(Object.entries(KEY_SPELLINGS))("a key as credential leaves no piece, written as %s", (_name, spell) => {
  for (const { pem, seed } of CASES) {
    const shown = quote(`cannot sign with ${spell(pem, seed)}`, [new Secret(pem)]);
    expect(pieceFinder(pem)(shown), shown).toEqual([]);
  }
});

it("a password with quotes is masked as shells, HTML, JSON and URLs write it", () => {
  const password = `it's "5&6" / <x>`;
  const written = [
    password,
    JSON.stringify(password).slice(1, -1).replaceAll("/", "\\/"),
    password.replaceAll("'", `'\\''`),
    password.replaceAll("'", `'"'"'`),
    password.replaceAll('"', '\\"'),
    password.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;"),
    encodeURIComponent(password).replace(/%../g, (code) => code.toLowerCase()),
    Buffer.from(password).toString("hex"),
  ];
  for (const text of written) expect(quote(`(${text})`, [new Secret(password)]), text).toBe("([secret])");
});

it("what people need to read stays", () => {
  const text = "zone example.org is not in this account (error 7003)";
  expect(quote(text, [new Secret("token-of-the-account")])).toBe(text);
});
