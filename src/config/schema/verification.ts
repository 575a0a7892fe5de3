import { z } from "zod";
import { UNDIALABLE_POLICIES } from "../../domain/endpoint.ts";
import { duration } from "./duration.ts";

/** How much it takes to prove that an endpoint is live. */
export const verificationSchema = z.strictObject({
  connections: z
    .int()
    .min(1)
    .max(1_000)
    .default(40)
    .describe(
      "Fresh connections in a row to each address that must get the new certificate before it is proved live. With 40, " +
        "an address that serves the old pair on 1 of 8 connections, at random, is found in 99 of 100 cases. Where the " +
        "kernel shows that the target's own process alone answers, three of them, and the rest of any certificates.",
    ),
  spread: duration({ min: "1ms", max: "10m" })
    .prefault("10s")
    .describe(
      "Time over which they are spread, unless the kernel shows that the target's own process alone answers. Old " +
        "workers of a reloading server must have ended by then. A server or balancer that serves the old pair for a " +
        "part of the time, such as one second in eight, is found as surely if it comes round within this time.",
    ),
  undialable: z
    .enum(UNDIALABLE_POLICIES)
    .default("report")
    .describe(
      "What an address means that cannot be dialled from here, such as an IPv6 address without IPv6. `report`: it is " +
        "shown, and the other addresses prove the endpoint. `fail`: the endpoint is not proved.",
    ),
  trusted: z
    .boolean()
    .default(false)
    .describe(
      "Whether chains of the certificates that renewd issues must lead to a root that the system or `trust` believes, " +
        "as those of `watch` do: another chain is never proved. Default: false, as clients of a private CA know its root.",
    ),
  trust: z
    .string()
    .min(1, "must name a file")
    .optional()
    .describe("PEM file with roots that chains may lead to besides those of the system, such as a company's."),
});
