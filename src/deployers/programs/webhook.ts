import { createHash } from "node:crypto";
import { z } from "zod";
import type { Deployer, DeployRequest } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import { looksLikeKey } from "../../domain/keyText.ts";
import { CLEAR_TEXT_REFUSED, isClearText } from "../../domain/loopback.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { Secret } from "../../domain/secret.ts";
import { sanitize } from "../../domain/text.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { durationOption } from "../base/duration.ts";
import { callHttp, type HttpAnswer, type HttpApi } from "../base/httpApi.ts";
import { jsonErrorText, jsonOrNull } from "../base/jsonAnswer.ts";
import { pairPem } from "../base/pairPem.ts";
import { sanitizeAnswer, secretFinder } from "../base/sanitizeAnswer.ts";
import { secretOption } from "../base/secretOption.ts";
import { readTrust, trustOption } from "../base/trust.ts";
import { signingKey, signWebhook } from "./webhookSignature.ts";

/** Any answer shows that the receiver is reachable. */
const ANY_STATUS = Array.from({ length: 500 }, (_, index) => 100 + index);

const optionsSchema = z
  .strictObject({
    url: z
      .url({ protocol: /^https?$/ })
      .max(2048)
      .refine(
        (text) => new URL(text).username === "" && new URL(text).password === "",
        "must not hold a password: the signature proves who is calling",
      )
      .describe("Where the pair is posted to; docs/webhook.md describes what arrives there and what to answer."),
    secret: secretOption.describe(
      "Signing secret: `whsec_` and 24 to 64 random bytes in base64, which the receiver has too.",
    ),
    includeKey: z
      .boolean()
      .default(true)
      .describe(
        "Send the private key as well. It needs https, except to this machine itself. `false`: certificate and " +
          "chain only.",
      ),
    trust: trustOption,
    timeout: durationOption("30s").describe("Time the receiver may take to answer: 500ms, 30s, 2m."),
  })
  .refine((o) => !o.includeKey || !isClearText(o.url), {
    path: ["url"],
    message: `${CLEAR_TEXT_REFUSED}, or set \`includeKey: false\``,
  });

type WebhookOptions = z.infer<typeof optionsSchema>;

export const webhook: Plugin<WebhookOptions, DeployerDependencies, Deployer> = {
  type: "webhook",
  description: "Posts the pair as JSON, signed (Standard Webhooks), to your own receiver.",
  options: optionsSchema,
  create: (options, dependencies) => ({
    deploy: (request, signal) => deploy(options, dependencies, request, signal),
    async preflight(_certificate, _leaf, signal) {
      signingKey(await dependencies.secret(options.secret));
      // GET is safe (RFC 9110 §9.2.1).
      await callHttp(await api(options), { method: "GET", url: new URL(options.url), expected: ANY_STATUS }, signal);
    },
    untried: "whether the receiver takes the pair",
  }),
};

/** The receiver compares generations, because it knows what it holds (409). The same pair always has the same id. */
async function deploy(
  options: WebhookOptions,
  dependencies: DeployerDependencies,
  { pair }: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  const content = body(options, dependencies.target, pair);
  signal.throwIfAborted();
  const secret = await dependencies.secret(options.secret);
  const id = messageId(dependencies.target, pair);
  const headers = {
    "content-type": "application/json",
    "user-agent": "renewd",
    ...signWebhook(signingKey(secret), id, Date.now(), content),
  };
  const hidden = [pair.privateKey, secret];
  const call = {
    method: "POST",
    url: new URL(options.url),
    headers,
    body: content,
    secrets: hidden,
    expected: [409],
  } as const;
  const answer = await callHttp(await api(options), call, signal);
  if (answer.status === 409) throw conflict(answer, options, pair, hidden);
  return { ...receiptOf(answer, hidden), generation: pair.generation, fingerprint: pair.leaf.fingerprint };
}

function body({ includeKey }: WebhookOptions, target: string, pair: IssuedCertificate): string {
  const { cert, chain, fullchain, privkey } = pairPem(pair);
  const { leaf, certificate, generation } = pair;
  const [notBefore, notAfter] = [leaf.notBefore, leaf.notAfter].map((instant) => new Date(instant).toISOString());
  const names = leaf.identifiers.map(({ value }) => value);
  const facts = {
    target,
    certificate,
    generation,
    fingerprint: leaf.fingerprint,
    serial: leaf.serial,
    names,
    notBefore,
    notAfter,
  };
  const data = { ...facts, cert, chain, fullchain, ...(includeKey && { privateKey: privkey }) };
  return JSON.stringify({ type: "certificate.deploy", timestamp: new Date().toISOString(), data });
}

/**
 * Without a dot, which separates the signed parts (Standard Webhooks, "Signature scheme"); names of certificates have
 * dots.
 */
function messageId(target: string, { certificate, generation, leaf }: IssuedCertificate): string {
  return `renewd_${createHash("sha256")
    .update(JSON.stringify([target, certificate, generation, leaf.fingerprint]))
    .digest("hex")
    .slice(0, 40)}`;
}

/** docs/webhook.md, "What to answer". */
const errorText = jsonErrorText(z.object({ error: z.string() }), ({ error }) => error);

async function api({ url, trust, timeout }: WebhookOptions): Promise<HttpApi> {
  return { name: `webhook at ${new URL(url).origin}`, timeoutMs: timeout, ca: await readTrust(trust), errorText };
}

const newer = z.object({ generation: z.int().positive() });

function conflict(
  answer: HttpAnswer,
  { url }: WebhookOptions,
  pair: IssuedCertificate,
  hidden: readonly Secret[],
): RenewalError {
  const held = newer.safeParse(jsonOrNull(answer.text)).data?.generation;
  const { origin } = new URL(url);
  if (held !== undefined && held > pair.generation) {
    return new RenewalError(
      "deploy.newerGeneration",
      `the receiver at ${origin} holds generation ${held} of ${pair.certificate}, so generation ` +
        `${pair.generation} was not taken; ` +
        "another renewd deploys there, or this one's database was lost: then let the receiver forget it",
    );
  }
  const said = sanitizeAnswer(errorText(answer.text) ?? "", ...hidden);
  return new RenewalError(
    "deploy.refused",
    `the receiver at ${origin} answered 409 but names no newer generation${said === "" ? "" : `: ${said}`}`,
  );
}

const RECEIPT_FACTS_MAX = 8;
/** Of all numbers together: fewer than the secret number of any key has, by far. */
const RECEIPT_DIGITS_MAX = 32;
const LONG_NUMBER = new RegExp(`\\d{${RECEIPT_DIGITS_MAX + 1}}`);
/** From MD5 to SHA-256. */
const DIGEST = /\b[0-9a-f]{32,64}\b/gi;
const FACT_NAME = /^[A-Za-z][A-Za-z0-9_]{0,39}$/;
const FACT_CHARS_MAX = 200;
const receiptAnswer = z.object({ receipt: z.record(z.string(), z.unknown()) });

/** What the receiver wants remembered: a few short facts. It is shown in history, so nothing secret gets through. */
function receiptOf(answer: HttpAnswer, hidden: readonly Secret[]): Record<string, string | number> {
  const findsSecret = secretFinder(hidden);
  const facts = Object.entries(receiptAnswer.safeParse(jsonOrNull(answer.text)).data?.receipt ?? {}).filter(
    ([name]) => FACT_NAME.test(name) && !findsSecret(name),
  );
  const kept = facts.flatMap(([name, value]): [string, string | number][] => {
    if (typeof value === "number" && Number.isFinite(value)) return [[name, value]];
    if (typeof value !== "string" || findsSecret(value)) return [];
    return [[name, sanitize(value, FACT_CHARS_MAX)]];
  });
  const shown = kept.slice(0, RECEIPT_FACTS_MAX);
  return isInPieces(shown, findsSecret) ? {} : Object.fromEntries(shown);
}

/** Whether facts that are harmless alone may be a secret together: pieces of its text, or digits of its number. */
function isInPieces(
  facts: readonly (readonly [string, string | number])[],
  findsSecret: (text: string) => boolean,
): boolean {
  const values = facts.map(([, value]) => value);
  const texts = values.filter((value) => typeof value === "string");
  const digits = values
    .filter((value) => typeof value === "number")
    .join("")
    .replaceAll(/\D/g, "");
  return digits.length > RECEIPT_DIGITS_MAX || findsSecret(texts.join("")) || mayHoldKey(texts);
}

/** In an encoding that nobody foresaw, such as base64 of base64. Digests are no key: one in hex is found as such. */
function mayHoldKey(texts: readonly string[]): boolean {
  const others = texts.join(" ").replace(DIGEST, " ");
  return others.match(LONG_NUMBER) !== null || looksLikeKey(others);
}
