// Where text of strangers enters: the result is one line of bounded length that acts in no terminal.
import { expect, it } from "vitest";
import { refusalError } from "../src/acme/problem.ts";
import { answerError } from "../src/deployers/base/httpApi.ts";
import { sanitizeAnswer } from "../src/deployers/base/sanitizeAnswer.ts";
import { RenewalError, toRenewalError } from "../src/domain/errors.ts";
import { plainWords } from "../src/domain/plainWords.ts";
import { nameLine, sanitize } from "../src/domain/text.ts";
import { createLog } from "../src/log.ts";
import { judgeInstalled } from "../src/renewal/rules/inspection.ts";
import { quote } from "../src/solvers/dns/rest/quote.ts";
import { unexpected } from "../src/tls/starttls/wire.ts";

const ACTIVE = /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const HOSTILE: readonly (readonly [string, string])[] = [
  ["ESC", "\u001b[31mred\u001b]0;title\u0007"],
  ["C1", "\u009b2J\u0085\u009d"],
  ["bidi", "\u202egnp.exe\u2066\u2069"],
  ["a mention", "<!channel> <@U012> @everyone"],
  ["NUL", "a\u0000b"],
  ["lone surrogates", "\ud800x\udfff"],
  ["line separators", "a\u2028b\u2029c"],
  ["invisible characters", "a\u200bb\ufeffc\u{e0041}"],
  ["a megabyte", "long ".repeat(200_000)],
];

const problem = (detail: string): string => {
  const body = JSON.stringify({
    type: "urn:ietf:params:acme:error:malformed",
    detail,
    title: detail,
    instance: detail,
  });
  const headers = { "content-type": "application/problem+json" };
  return refusalError({
    what: "new order",
    url: "https://ca.test/order",
    status: 400,
    headers,
    body: JSON.parse(body),
    now: 0,
  }).message;
};
const logged = (text: string): string => {
  let line = "";
  const write = (chunk: string): void => {
    line += chunk;
  };
  createLog({ level: "info", pretty: false }, { write }).info({ endpoint: text, err: new Error(text) }, text);
  return line.trimEnd();
};
const leaf = { fingerprint: "aa" } as Parameters<typeof judgeInstalled>[1]["leaf"];
const answer = { what: "the API", status: 400, headers: {}, bytes: null };

/** Edge by edge; what is bounded elsewhere has its own bound here. */
const EDGES: readonly (readonly [string, (text: string) => string, number])[] = [
  ["a CA's problem document", problem, 3_000],
  ["the subject of a certificate", nameLine, 300],
  ["a DNS provider's answer, a hook's output", (text) => quote(text, []), 400],
  ["an API's error text", (text) => answerError({ ...answer, errorText: text }, []).message, 600],
  ["a target's answer", (text) => sanitizeAnswer(text), 500],
  ["the words of what was given a key", (text) => sanitize(plainWords(text), 400), 500],
  ["a mail server's greeting", (text) => unexpected(text).message, 300],
  [
    "a finding of an inspection",
    (text) =>
      judgeInstalled(
        { fingerprint: null, keyMatches: null, problems: [text] },
        { generation: 1, leaf },
        new Map(),
        null,
      )?.what ?? "",
    500,
  ],
  ["an error of Redis or PostgreSQL", (text) => toRenewalError(new Error(text)).message, Number.POSITIVE_INFINITY],
  ["any error of renewd", (text) => new RenewalError("deploy.refused", text).message, Number.POSITIVE_INFINITY],
  ["a line of the log", logged, Number.POSITIVE_INFINITY],
];

for (const [edge, pass, charactersMax] of EDGES)
  it.each(HOSTILE)(`${edge}: %s neither acts nor grows`, (_what, text) => {
    const shown = pass(text);
    expect(shown).not.toMatch(ACTIVE);
    expect(shown.length).toBeLessThanOrEqual(charactersMax);
  });
