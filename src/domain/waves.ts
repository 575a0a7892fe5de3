import type { Certificate, Wave } from "./certificate.ts";
import type { Endpoint } from "./endpoint.ts";

/** A wave with the endpoints that prove it. */
export interface StagedWave extends Wave {
  /** From 1, for people. */
  readonly number: number;
  readonly endpoints: readonly Endpoint[];
}

/**
 * The waves in order; without configured waves all targets are one. An endpoint belongs to the wave of its target. An
 * endpoint that names no target can be proved only when all targets hold the pair, so it belongs to the last wave.
 */
export function wavesOf({
  targets,
  waves,
  endpoints,
}: Pick<Certificate, "targets" | "waves" | "endpoints">): readonly StagedWave[] {
  const staged = waves.length === 0 ? [{ targets, bakeMs: 0, failureBudget: 0 }] : waves;
  return staged.map((wave, i) => {
    const last = i === staged.length - 1;
    return {
      ...wave,
      number: i + 1,
      endpoints: endpoints.filter(({ target }) => (target === null ? last : wave.targets.includes(target))),
    };
  });
}
