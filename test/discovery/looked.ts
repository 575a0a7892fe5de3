import type { DiscoverySource } from "../../src/domain/discovery.ts";
import type { FoundCertificate, FoundPlace } from "../../src/domain/inventory.ts";

export interface Looked {
  /** In the order of their places. */
  readonly found: readonly (FoundCertificate & Omit<FoundPlace, "source">)[];
  readonly candidates: readonly string[];
  readonly problems: string[];
}

/** What a source says. */
export async function looked(source: DiscoverySource, signal = AbortSignal.timeout(20_000)): Promise<Looked> {
  const found: (FoundCertificate & Omit<FoundPlace, "source">)[] = [];
  const candidates: string[] = [];
  const problems: string[] = [];
  await source.look(
    {
      found: (certificate, place) => found.push({ ...certificate, ...place }),
      candidate: ({ host, port }) => candidates.push(`${host}:${port}`),
      problem: (sentence) => problems.push(sentence),
    },
    signal,
  );
  return { found: found.sort((a, b) => (a.place < b.place ? -1 : 1)), candidates, problems };
}
