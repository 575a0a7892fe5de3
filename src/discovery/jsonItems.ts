import { setImmediate as turn } from "node:timers/promises";

const ITEM_BYTES_MAX = 262_144;

/**
 * The objects of a JSON array of any length, one by one as they arrive: memory holds one at a time. Throws a TypeError
 * for what is no array of objects, and for an object that is too large.
 */
export async function* jsonItems(body: AsyncIterable<Uint8Array>): AsyncGenerator<unknown, void> {
  const decoder = new TextDecoder("utf-8");
  let item = "";
  let depth = 0;
  let inString = false;
  let isEscaped = false;
  let began = false;
  for await (const chunk of body) {
    const text = decoder.decode(chunk, { stream: true });
    let from = 0;
    for (let index = 0; index < text.length; index++) {
      const character = text[index];
      if (inString) {
        if (isEscaped) isEscaped = false;
        else if (character === "\\") isEscaped = true;
        else if (character === '"') inString = false;
        continue;
      }
      if (!began) {
        if (character === "[") began = true;
        else if (!/\s/.test(character ?? ""))
          throw new TypeError("it answered with something else than a list in JSON");
        continue;
      }
      if (character === '"') inString = true;
      else if (character === "{" || character === "[") {
        if (depth === 0) from = index;
        depth += 1;
      } else if (character === "}" || character === "]") {
        depth -= 1;
        if (depth < 0) return;
        if (depth > 0) continue;
        yield JSON.parse(item + text.slice(from, index + 1));
        item = "";
      }
    }
    if (depth > 0) item += text.slice(from);
    if (item.length > ITEM_BYTES_MAX) throw new TypeError("it answered with an entry that is too large");
    // A long answer must not keep timers from running.
    await turn();
  }
  if (!began || depth >= 0) throw new TypeError("its answer ended in the middle");
}
