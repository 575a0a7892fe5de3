import { beforeAll, describe, expect, it } from "vitest";
import { guardKey } from "../../../src/deployers/base/guardKey.ts";
import { sanitizeAnswer, unquoted } from "../../../src/deployers/base/sanitizeAnswer.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import { decodings } from "../../../src/domain/keyText.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { createPairIssuer } from "../../support/pairs/issuedPairs.ts";
import { KEY_SPELLINGS, pieceFinder, thirtyKeys } from "../../support/pairs/keySpellings.ts";

const CASES = 100;
let keys: string[];
let finders: ((text: string) => string[])[];
beforeAll(() => {
  keys = thirtyKeys();
  finders = keys.map(pieceFinder);
});

/** Each key several times, with words of changing length around it. */
const casesOf = (spell: (pem: string, seed: number) => string) =>
  Array.from({ length: CASES }, (_, seed) => {
    const key = keys[seed % keys.length] ?? "";
    const text = `error ${"x".repeat(seed % 7)}: cannot read ${spell(key, seed)} in field ${seed}`;
    return { key, pieces: finders[seed % keys.length] ?? expect.unreachable(), text, seed };
  });

// Bytes in decimal or octal are neither base64 nor hex, so this finder cannot see them.
const READABLE = Object.entries(KEY_SPELLINGS).filter(([name]) => name !== "bytes" && name !== "octal escapes");
it.each(READABLE)("the finder of these tests sees a key written as %s", (_name, spell) => {
  for (const { pieces, text, seed } of casesOf(spell).slice(0, 40))
    expect(decodings(text).flatMap(pieces).length, `case ${seed}`).toBeGreaterThan(3);
});

describe.each(Object.entries(KEY_SPELLINGS))("a key written as %s", (_name, spell) => {
  it("leaves nothing of the text when the key is known", () => {
    for (const { key, text, seed } of casesOf(spell).slice(0, 60))
      expect(sanitizeAnswer(text, new Secret(key)), `case ${seed}`).toBe("[not shown: it repeats a private key]");
  });

  it("leaves no piece of a key that is not known", () => {
    for (const { pieces, text, seed } of casesOf(spell)) {
      const shown = sanitizeAnswer(text);
      expect(pieces(shown), `case ${seed}: ${shown}`).toEqual([]);
    }
  });
});

describe("a password", () => {
  it.each([
    ["is short", "a7$"],
    ["has quotes", `it's "quoted" \\ here`],
    ["has characters of URLs and HTML", "p&s<w>o=r/d +%41"],
    ["looks like an escape", "100\\n%20&amp;"],
    ["has every kind of letter", "pässwörd-€-秘密"],
  ])("that %s is masked as it is and as JSON, URLs, HTML and shells write it", (_what, password) => {
    const json = JSON.stringify(password).slice(1, -1);
    const written = [
      password,
      json,
      json.replaceAll("/", "\\/"),
      encodeURIComponent(password),
      new URLSearchParams({ p: password }).toString().slice(2),
      password.replaceAll("'", `'\\''`),
      password.replace(/["\\$`]/g, "\\$&"),
      password.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;"),
      Buffer.from(password).toString("base64"),
    ];
    for (const text of written) expect(sanitizeAnswer(`(${text})`, new Secret(password)), text).toBe("([secret])");
  });

  it.each(["a7$", "hunter2", "geheim-1", "pässwörd", "correct horse battery staple"])(
    "%s is masked where it is encoded with what stands around it, and in other letters",
    (password) => {
      const basic = (...around: [string, string]) => Buffer.from(around.join(password));
      const encoded = [
        ...["", "a", "ad", "adm"].flatMap((user) => {
          const credentials = basic(`${user}:`, "");
          return [credentials.toString("base64"), credentials.toString("base64url"), credentials.toString("hex")];
        }),
        `Basic ${basic("admin:", "").toString("base64")}`,
        Buffer.from(password).toString("hex").toUpperCase(),
        Buffer.from(password).toString("hex").match(/../g)?.join(":") ?? "",
        [...Buffer.from(password)].join(", "),
        [...password].map((one) => `\\u${(one.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`).join(""),
        [...Buffer.from(password)].map((byte) => `%${byte.toString(16)}`).join(""),
        Buffer.from(password, "utf16le").toString("latin1"),
        encodeURIComponent(basic("admin:", "").toString("base64")),
        JSON.stringify({ authorization: `Basic ${basic("admin:", "").toString("base64")}` }),
        ...(password.length < 4 ? [] : [basic('{"password":"', '","user":"admin"}').toString("base64")]),
      ];
      for (const text of encoded) {
        const shown = sanitizeAnswer(`(${text})`, new Secret(password));
        expect(shown, text).toMatch(/\[secret\]/);
        expect(shown).not.toContain(text);
      }
      const harmless = "POST /mgmt/tm/sys/file answered 400: dG9vIGxvbmc= is no name, id 00:1b:44, sizes 104, 117, 110";
      expect(sanitizeAnswer(harmless, new Secret(password))).toBe(harmless);
    },
  );

  it("is masked when it stands beside others in one secret, or inside another one", () => {
    expect(sanitizeAnswer("user hunter with hunter2", new Secret("hunter2\nhunter"))).toBe(
      "user [secret] with [secret]",
    );
    expect(sanitizeAnswer("secret e", new Secret("e"))).toBe("s[secret]cr[secret]t [secret]");
  });
});

describe("what people need to read", () => {
  it.each([
    `nginx: [emerg] unknown directive in /etc/nginx/sites-enabled/www.example.org.conf:12`,
    "Value at secretString failed to satisfy constraint: Member must have length less than or equal to 65536",
    'secrets "my-very-long-secret-name-tls" is forbidden: cannot patch resource "secrets" in the namespace "web-front"',
    "profile /Common/www-clientssl's key and certificate do not match (400)",
    "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value",
    "SSL_CTX_use_PrivateKey failed (SSL: x509 certificate routines::key values mismatch)",
  ])("stays: %s", async (text) => {
    const { privateKey } = await (await createPairIssuer()).issue({ certificate: "www", generation: 1 });
    expect(sanitizeAnswer(text, privateKey)).toBe(text);
  });

  it("leaves out all that is no word where a key was handed over; where none was, only what looks like a key", async () => {
    const { privateKey } = await (await createPairIssuer()).issue({ certificate: "www", generation: 1 });
    const text = "User arn:aws:iam::123456789012:user/qz7 may not import, request a1b2c3d4-0000";
    expect(sanitizeAnswer(text, privateKey)).toBe("User arn:aws:iam::… may not import, request …");
    expect(sanitizeAnswer(text)).toBe(text);
  });

  it("is the length of what a program printed that could read the key", () => {
    expect(unquoted(0)).toBe("it printed nothing");
    expect(unquoted(345)).toMatch(/^it printed 345 bytes, not shown .* run it by hand/);
  });
});

describe("the last check of every deployer", () => {
  const guarded = (deploy: Deployer["deploy"]): Deployer =>
    guardKey({ type: "x", description: "x", options: expect.anything(), create: () => ({ deploy }) }).create({}, {});
  const never = new AbortController().signal;

  it.each(READABLE)("replaces an error whose cause holds the key as %s", async (_name, spell) => {
    const pair = await (await createPairIssuer()).issue({ certificate: "www", generation: 1 });
    const cause = Object.assign(new Error("x"), { rawPacket: spell(pair.privateKey.reveal(), 1) });
    const deployer = guarded(() => Promise.reject(new RenewalError("deploy.refused", "no", { cause, retryAt: 7 })));
    const error = await deployer.deploy({ pair, previous: null }, never).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "deploy.refused", retryAt: 7, message: expect.stringContaining("not shown") });
    expect(error).not.toHaveProperty("cause", cause);
  });

  // The bare number of a JWK looks like a fingerprint; what quotes an answer drops it.
  const WHOLE = READABLE.filter(([name]) => name !== "JWK");
  it.each(WHOLE)(
    "shows no error of a preflight or an inspection that holds an unknown key as %s",
    async (_n, spell) => {
      for (const [seed, key] of [...keys.entries()].slice(0, 8)) {
        const said = spell(key, seed);
        const wholly = () => Promise.reject(new RenewalError("deploy.refused", `no: ${said}`, { retryAt: 7 }));
        const inCause = () => Promise.reject(new RenewalError("deploy.refused", "no", { cause: new Error(said) }));
        const ask = seed % 8 === 0 ? wholly : inCause;
        const plugin = { type: "x", description: "x", options: expect.anything() };
        const create = () => ({ deploy: () => expect.unreachable(), preflight: ask, inspect: ask });
        const deployer = guardKey({ ...plugin, create }).create({}, {});
        const errors = [
          await deployer.preflight?.("www", null, never).catch((thrown: unknown) => thrown),
          await deployer.inspect?.({ certificate: "www", previous: null }, never).catch((thrown: unknown) => thrown),
        ];
        for (const error of errors) {
          expect(error).toMatchObject({
            code: "deploy.refused",
            message: expect.stringMatching(/^(?:no$|the target rep)/),
          });
          const { message, cause } = error instanceof RenewalError ? error : expect.unreachable();
          expect(finders[seed]?.(`${message} ${cause instanceof Error ? cause.message : ""}`), `key ${seed}`).toEqual(
            [],
          );
        }
      }
    },
  );

  it("lets errors and findings of a preflight and an inspection through that hold no key", async () => {
    const error = new RenewalError("deploy.io", "/etc/ssl/private/www-2026/privkey.pem: mode 0600, owner 1000");
    const found = { fingerprint: "ab".repeat(32), keyMatches: true, problems: ["its key cannot be read by www-data"] };
    const plugin = { type: "x", description: "x", options: expect.anything() };
    const create = (): Deployer => ({
      deploy: () => expect.unreachable(),
      preflight: () => Promise.reject(error),
      inspect: async () => found,
    });
    const deployer = guardKey({ ...plugin, create }).create({}, {});
    await expect(deployer.preflight?.("www", null, never)).rejects.toBe(error);
    expect(await deployer.inspect?.({ certificate: "www", previous: null }, never)).toEqual(found);
  });

  it("lets any other error and the caller's reason through, and drops facts of a receipt that hold the key", async () => {
    const pair = await (await createPairIssuer()).issue({ certificate: "www", generation: 1 });
    const request = { pair, previous: null };
    const error = new RenewalError("deploy.timeout", "no answer");
    await expect(guarded(() => Promise.reject(error)).deploy(request, never)).rejects.toBe(error);
    const stop = new Error("stop");
    const failing = guarded(() => Promise.reject(error));
    await expect(failing.deploy(request, AbortSignal.abort(stop))).rejects.toBe(stop);
    const receipt = { id: pair.privateKey.reveal().slice(60, 160), version: 3, fingerprint: pair.leaf.fingerprint };
    const { id: _, ...rest } = receipt;
    expect(await guarded(async () => receipt).deploy(request, never)).toEqual(rest);
  });

  it.each([
    ["values", (part: string, index: number) => [`f${index}`, part]],
    ["names", (part: string, index: number) => [part, `f${index}.`]],
    ["names and values", (part: string) => [part.slice(0, 4), part.slice(4)]],
  ] as const)("drops facts whose %s hold the key in pieces too short to be one", async (_where, fact) => {
    const pair = await (await createPairIssuer()).issue({ certificate: "www", generation: 1 });
    const body = pair.privateKey.reveal().replace(/-----[^-]+-----|\s/g, "");
    const pieces = body.match(/.{7}/g) ?? expect.unreachable();
    const own = { generation: 1, fingerprint: pair.leaf.fingerprint };
    const receipt = { ...own, ...Object.fromEntries(pieces.map(fact)) };
    expect(await guarded(async () => receipt).deploy({ pair, previous: null }, never)).toEqual(own);
    const harmless = { ...own, arn: "arn:aws:acm:eu-west-1:1:certificate/a1b2", path: "/etc/ssl/www.pem" };
    expect(await guarded(async () => harmless).deploy({ pair, previous: null }, never)).toEqual(harmless);
  });
});
