// Ten thousand scripted swaps: what every address served at any instant is answered right, and each costs little room.
import { createHash } from "node:crypto";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { placeKey, type SeenCertificate, type ServedSighting } from "../../src/domain/served.ts";
import { openStore, openVault } from "../../src/store/index.ts";
import { seeded } from "../support/model/random.ts";

const PLACES = 50;
const SWAPS_EACH = 200;
const CAS = 7;
const START = Date.UTC(2026, 0, 1);
const STEP_MS = 60_000;
const QUESTIONS = 2_000;
const BYTES_MAX = 1_024;

test("10,000 swaps are each at most 1 KiB, and what was served at any instant is answered right", async () => {
  const directory = await mkdtemp(join(tmpdir(), "renewd-swaps-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, "renewd.db");
  const store = await openStore({ kind: "sqlite", file }, await openVault({ file: join(directory, "key") }), "test/1");
  const random = seeded(7);
  /** By place: what was served since when; the script that the answers are compared with. */
  const script = new Map<string, { readonly since: number; readonly leaf: string | null }[]>();
  for (let swap = 0; swap < SWAPS_EACH; swap++) {
    // A look that sees nothing new comes between any two swaps, and sometimes nobody answers.
    const at = START + 2 * swap * STEP_MS;
    const seen = Array.from({ length: PLACES }, (_, index) => sighting(index, swap, at, random.chance(0.05)));
    await store.served.record(seen);
    await store.served.record(seen.map((each) => ({ ...each, at: at + STEP_MS })));
    for (const { place, certificates } of seen) {
      const changes = script.get(place.key) ?? [];
      const leaf = certificates?.[0]?.fingerprint ?? null;
      if (changes.at(-1)?.leaf !== leaf || changes.length === 0) changes.push({ since: at, leaf });
      script.set(place.key, changes);
    }
  }
  const count = [...script.values()].reduce((sum, changes) => sum + changes.length, 0);
  expect(count).toBeGreaterThan(9_900);
  const keys = [...script.keys()];
  const wrong: string[] = [];
  for (let question = 0; question < QUESTIONS; question++) {
    const key = keys[random.below(keys.length)] ?? "";
    const at = Math.round(START - STEP_MS + random.next() * (2 * SWAPS_EACH + 2) * STEP_MS);
    const expected = script.get(key)?.findLast(({ since }) => since <= at) ?? null;
    const answer = await store.served.at(key, at);
    const isRight = answer?.since === expected?.since && (answer?.leaf ?? null) === (expected?.leaf ?? null);
    if (!isRight || (answer?.leaf != null && answer.chain.length !== 1)) wrong.push(`${key} at ${at}`);
  }
  expect(wrong).toEqual([]);
  const last = await store.served.changes(keys[0] ?? "", { limit: 1_000 });
  expect(last.map(({ since, leaf }) => ({ since, leaf })).reverse()).toEqual(script.get(keys[0] ?? ""));
  await store.close();
  // The tables and their indexes; a certificate itself is kept once, and these are a few bytes each.
  expect((await stat(file)).size / count).toBeLessThan(BYTES_MAX);
});

function sighting(index: number, swap: number, at: number, isAway: boolean): ServedSighting {
  const where = { address: `192.0.2.${index}`, port: 443, sni: `www-${index}.example.org` };
  const place = { ...where, key: placeKey(where), host: where.sni };
  const certificates = [certificate(`leaf ${index} ${swap}`), certificate(`ca ${(index + swap) % CAS}`)];
  return { place, at, certificates: isAway ? null : certificates, code: "verify.unreachable" };
}

function certificate(name: string): SeenCertificate {
  const der = Buffer.from(name);
  const digest = (data: string | Buffer): string => createHash("sha256").update(data).digest("hex");
  return { fingerprint: digest(der), der, keyDigest: digest(name) };
}
