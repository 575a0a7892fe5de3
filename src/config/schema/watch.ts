import { z } from "zod";
import { endpointSchema } from "./certificate.ts";
import { duration } from "./duration.ts";
import { responsibilityKeys } from "./responsibility.ts";

/** An endpoint whose certificate somebody else renews. */
export const watchSchema = z.union([
  endpointSchema.options[0],
  endpointSchema.options[1].omit({ target: true }).extend({
    minLeft: duration({ min: "1h", max: "365d" })
      .optional()
      .describe("Warn when less than this is left. Default: a sixth of the certificate's life, at most 30 days."),
    trusted: z
      .boolean()
      .default(true)
      .describe(
        "Whether its chain must lead to a root that the system, or `verification.trust`, believes. False for what is " +
          "signed by itself on purpose.",
      ),
    ...responsibilityKeys,
  }),
]);
