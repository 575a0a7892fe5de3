import { expect, it } from "vitest";
import { piecesOf } from "../../../src/deployers/base/pieces.ts";
import { type Random, seeded } from "../../support/model/random.ts";

const CASES = 3_000;
const CHARACTERS = 8;
/** Few letters, so that chance repeats many pieces. */
const LETTERS = ["A", "b", "9", "/", "\u20AC"] as const;

function textOf(random: Random, lengthMax: number): string {
  return Array.from({ length: random.below(lengthMax) }, () => random.pick(LETTERS)).join("");
}

it(`finds every piece of every text and nothing else, in ${CASES} texts`, () => {
  const random = seeded(7);
  const found = { some: 0, none: 0 };
  for (let index = 0; index < CASES; index += 1) {
    const texts = Array.from({ length: random.below(4) }, () => textOf(random, 60));
    const cut = random.pick(["", ...texts]).slice(random.below(30));
    const text = `${textOf(random, 12)}${cut.slice(0, random.below(12))}${textOf(random, 12)}`;
    const all = new Set(texts.flatMap((one) => piecesIn(one)));
    const pieces = piecesOf(texts, CHARACTERS);
    const isThere = piecesIn(text).some((piece) => all.has(piece));
    expect({ text, texts, areIn: pieces.areIn(text) }).toEqual({ text, texts, areIn: isThere });
    expect(pieces.isEmpty).toBe(all.size === 0);
    found[isThere ? "some" : "none"] += 1;
  }
  for (const count of Object.values(found)) expect(count).toBeGreaterThan(CASES / 10);
});

function piecesIn(text: string): string[] {
  return Array.from({ length: Math.max(0, text.length - CHARACTERS + 1) }, (_, at) => text.slice(at, at + CHARACTERS));
}
