// A target that repeats the key it was given, in every spelling: no piece may reach a receipt, an error, history or the
// log.
import { appendFile } from "node:fs/promises";
import { Writable } from "node:stream";
import { inspect } from "node:util";
import { expect } from "vitest";
import type { DeployReceipt } from "../../src/domain/deployment.ts";
import { RenewalError } from "../../src/domain/errors.ts";
import type { IssuedCertificate } from "../../src/domain/version.ts";
import { createLog } from "../../src/log.ts";
import { errorDetail } from "../../src/renewal/history.ts";
import { KEY_SPELLINGS, pieceFinder } from "../support/pairs/keySpellings.ts";

/** How many keys each deployer is tried with, in every spelling: `npm run drills` has 300. Unset: a sample of both. */
const KEYS_ALL = Number(process.env.RENEWD_KEYS ?? 0);
/** File for a line about each deployer, for the drill. */
const REPORT = process.env.RENEWD_KEYS_REPORT;
/** Each kind tries some spellings, all kinds together every one. */
const SAMPLE = 12;

export interface KeyEcho {
  /** Kind of target: it chooses the sample. */
  readonly type: string;
  readonly pairs: readonly IssuedCertificate[];
  deploy(pair: IssuedCertificate): Promise<DeployReceipt>;
  /** From now on a deploy fails with this text; returns how to stop it. */
  repeats(text: string, inErrorText: boolean): Promise<() => Promise<void>> | (() => void);
}

export function keysFor(keyType: string): number {
  if (KEYS_ALL > 0) return KEYS_ALL;
  return keyType.startsWith("rsa") ? 3 : SAMPLE;
}

export async function expectNoPiece({ type, pairs, deploy, repeats }: KeyEcho): Promise<void> {
  const cases = KEYS_ALL > 0 ? everyCase(pairs) : sample(type, pairs);
  let tried = 0;
  const codes = new Set<string>();
  for (const { name, text, pair, pieces, seed } of cases) {
    const stop = await repeats(`cannot take ${text}`, seed % 3 > 0);
    const error = await deploy(pair).catch((thrown: unknown) => thrown);
    await stop();
    tried += 1;
    if (!(error instanceof RenewalError)) expect.unreachable(`${name}: ${error}`);
    codes.add(error.code);
    expect(pieces(shownOf(error) + recordedOf(error)), `${type}, ${name}, key ${seed}`).toEqual([]);
  }
  // A peer that broke on the way repeats nothing: then these tests would show nothing.
  if (codes.size > 1) expect([...codes], type).not.toContain("deploy.unreachable");
  expect([...codes], type).not.toContain("deploy.timeout");
  if (REPORT !== undefined)
    await appendFile(REPORT, `${type} ${pairs.length} keys, ${tried} cases: ${[...codes].join(", ")}\n`);
}

interface Case {
  readonly name: string;
  readonly text: string;
  readonly pair: IssuedCertificate;
  readonly pieces: (text: string) => string[];
  readonly seed: number;
}

function* everyCase(pairs: readonly IssuedCertificate[]): Generator<Case> {
  for (const [index, pair] of pairs.entries()) {
    const pem = pair.privateKey.reveal();
    const pieces = pieceFinder(pem);
    for (const [at, [name, spell]] of Object.entries(KEY_SPELLINGS).entries()) {
      const seed = index + at;
      yield { name, text: spell(pem, seed), pair, pieces, seed };
    }
  }
}

function* sample(type: string, pairs: readonly IssuedCertificate[]): Generator<Case> {
  const all = Object.entries(KEY_SPELLINGS);
  const start = [...type].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
  for (let seed = 0; seed < SAMPLE; seed++) {
    const [name, spell] = all[(start + seed) % all.length] ?? expect.unreachable();
    const pair = pairs[seed % pairs.length] ?? expect.unreachable();
    const pem = pair.privateKey.reveal();
    yield { name, text: spell(pem, seed), pair, pieces: pieceFinder(pem), seed };
  }
}

export function shownOf(one: unknown): string {
  const all = { depth: 10, showHidden: true, maxStringLength: null, maxArrayLength: null } as const;
  const message = one instanceof Error ? one.message : "";
  // Stack traces hold long paths, and pieces of them look like base64.
  return message + inspect(one, all).replace(/^ +at .*$/gm, "") + JSON.stringify(one);
}

/**
 * What the steps make of an error: the event of the history, which notifications and the API repeat, and a log line.
 */
function recordedOf(error: unknown): string {
  if (!(error instanceof RenewalError)) return "";
  let logged = "";
  const sink = new Writable({
    write(chunk, _encoding, done) {
      logged += String(chunk).replace(/"stack":"(?:[^"\\]|\\.)*"/g, "");
      done();
    },
  });
  createLog({ level: "debug", pretty: false }, sink).warn({ err: error, code: error.code }, "deploy failed");
  return JSON.stringify(errorDetail(error)) + logged;
}
