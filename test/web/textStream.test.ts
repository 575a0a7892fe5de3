import { expect, test } from "vitest";
import { jsonPieces } from "../../src/web/api/jsonPieces.ts";
import { createScrape, labels } from "../../src/web/metrics/registry.ts";
import { textStream } from "../../src/web/textStream.ts";

test("a long text is made as it is read, and lets other work go on", async () => {
  let made = 0;
  let wasReturned = false;
  function* lines(): Generator<string> {
    try {
      for (; made < 100_000; made += 1) yield `line ${made}\n`;
    } finally {
      wasReturned = true;
    }
  }
  const stream = await textStream(lines());
  const reader = stream.getReader();
  await reader.read();
  // A first line to know that there is one, and one chunk.
  expect(made).toBeLessThan(5_000);
  await reader.cancel();
  expect(wasReturned).toBe(true);
});

test("a large scrape gives up its turn while it is written", async () => {
  const large = createScrape();
  large.gauge(
    "large",
    "Many.",
    Array.from({ length: 100_000 }, (_, index) => ({ labels: labels({ index: `${index}` }), value: 1 })),
  );
  let turns = 0;
  const count = (): void => {
    turns += 1;
    turn = setImmediate(count);
  };
  let turn = setImmediate(count);
  const written = await new Response(await textStream(large.lines())).text();
  clearImmediate(turn);
  expect(written.split("\n")).toHaveLength(100_003);
  expect(turns).toBeGreaterThanOrEqual(4);
});

test("what fails before the first line is thrown, and what fails later ends the text", async () => {
  async function* failing(good: number): AsyncGenerator<string> {
    for (let index = 0; index < good; index += 1) yield "x";
    throw new Error("the database went away");
  }
  await expect(textStream(failing(0))).rejects.toThrow("went away");
  await expect(new Response(await textStream(failing(3))).text()).rejects.toThrow("went away");
});

test("JSON in pieces is the JSON that one call writes", () => {
  const hidden = (key: string, value: unknown): unknown => (key === "at" ? undefined : value);
  for (const answer of [
    {},
    { at: "now" },
    { items: [], next: null },
    {
      version: 2,
      at: "now",
      missing: undefined,
      items: [1, undefined, { at: 5, b: ['"'] }, "\u2028"],
      more: { at: 1, c: [{ at: 2 }] },
    },
    [1, { at: 2 }],
  ]) {
    expect([...jsonPieces(answer)].join("")).toBe(JSON.stringify(answer));
    expect([...jsonPieces(answer, hidden)].join("")).toBe(JSON.stringify(answer, hidden));
  }
});
