/** What a stranger sent, fit for a log line and a terminal: no control, format or line-breaking characters, bounded. */
export function oneLine(text: string, lengthMax: number): string {
  const flat = text.slice(0, lengthMax * 4).replaceAll(/\r?\n/g, ", ");
  const safe = flat.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, "\uFFFD");
  return safe.length <= lengthMax ? safe : `${safe.slice(0, lengthMax - 1)}…`;
}
