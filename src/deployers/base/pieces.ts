/** All runs of so many characters that some texts have. */
export interface Pieces {
  readonly isEmpty: boolean;
  /** Whether a text has one of them. */
  areIn(text: string): boolean;
}

/** Then one in a hundred of other pieces passes the filter. */
const BITS_EACH = 64;

/**
 * A key has thousands of pieces, and each deployment a new key: a set of them would take longer to make than all else
 * that a deployment computes. A filter of their hashes keeps most other pieces from being searched for.
 */
export function piecesOf(texts: readonly string[], characters: number): Pieces {
  const count = texts.reduce((sum, { length }) => sum + Math.max(0, length - characters + 1), 0);
  const bits = 2 ** Math.ceil(Math.log2(BITS_EACH * count + 8));
  const filter = new Uint8Array(bits / 8);
  for (const text of texts) {
    for (let at = 0; at + characters <= text.length; at++) {
      const bit = hashAt(text, at, characters) & (bits - 1);
      filter[bit >> 3] = (filter[bit >> 3] ?? 0) | (1 << (bit & 7));
    }
  }
  const passes = (hash: number): boolean => {
    const bit = hash & (bits - 1);
    return ((filter[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
  };
  return {
    isEmpty: count === 0,
    areIn(text) {
      if (count === 0) return false;
      for (let at = 0; at + characters <= text.length; at++) {
        if (!passes(hashAt(text, at, characters))) continue;
        const piece = text.slice(at, at + characters);
        if (texts.some((one) => one.includes(piece))) return true;
      }
      return false;
    },
  };
}

/** FNV-1a, with its upper half folded into the lower one. */
function hashAt(text: string, at: number, characters: number): number {
  let hash = 0x811c9dc5;
  for (let index = at; index < at + characters; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash ^ (hash >>> 15);
}
