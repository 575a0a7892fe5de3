/**
 * Foreign text inside a message: quoted, on one line, bounded, no character that moves a terminal's cursor or
 * direction.
 */
export function quote(text: string): string {
  const short = text.length <= 80 ? text : `${text.slice(0, 79)}…`;
  return JSON.stringify(short).replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, "\uFFFD");
}

/** `, did you mean "x"?`, or what there is to choose from; ready to follow a message. */
export function suggestion(word: string, known: readonly string[]): string {
  const best = nearest(word, known);
  if (best !== null) return `, did you mean ${quote(best)}?`;
  if (known.length === 0) return "; none is defined";
  const listed = known.slice(0, 12).map(quote).join(", ");
  return `; known: ${listed}${known.length > 12 ? " …" : ""}`;
}

/** null: nothing is near enough. A third of the letters wrong is still a typing mistake; more is another word. */
export function nearest(word: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const allowed = Math.min(bestDistance - 1, Math.max(1, Math.floor(candidate.length / 3)));
    if (Math.abs(candidate.length - word.length) > allowed) continue;
    const distance = editDistance(word, candidate);
    if (distance <= allowed) [best, bestDistance] = [candidate, distance];
    if (bestDistance <= 1) break;
  }
  return best;
}

/**
 * Levenshtein distance with swapped neighbours as one mistake, on bounded words and ignoring case: keys come from a
 * file of up to a megabyte.
 */
function editDistance(a: string, b: string): number {
  const [left, right] = [a.slice(0, 64).toLowerCase(), b.slice(0, 64).toLowerCase()];
  let before: number[] = [];
  let row = Array.from({ length: right.length + 1 }, (_, i) => i);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const same = left[i - 1] === right[j - 1];
      const swapped = i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1];
      const steps = [(row[j - 1] ?? 0) + (same ? 0 : 1), (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1];
      if (swapped) steps.push((before[j - 2] ?? 0) + 1);
      next.push(Math.min(...steps));
    }
    [before, row] = [row, next];
  }
  return row[right.length] ?? 0;
}
