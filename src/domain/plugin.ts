import type { z } from "zod";

/**
 * A solver or deployer kind: one file that exports this, plus one line in its folder's registry.
 * Validation, JSON Schema, `renewd` listings and the conformance suite follow from it.
 */
export interface Plugin<Options, Dependencies, Made> {
  /** The `type:` in configuration. */
  readonly type: string;
  /** One sentence for listings and generated docs. */
  readonly description: string;
  /** Strict object of this kind's options, without `type`. */
  readonly options: z.ZodType<Options>;
  readonly create: (options: Options, dependencies: Dependencies) => Made;
  /**
   * Things outside renewd that only one certificate may own (a file path, an ARN), for the given certificate.
   * Two certificates that occupy the same thing are a configuration error.
   */
  readonly occupies?: (options: Options, certificate: string) => readonly string[];
}
