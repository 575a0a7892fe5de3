import { z } from "zod";
import { duration } from "./duration.ts";

export const retentionSchema = z.strictObject({
  history: duration({ min: "30d", max: "3650d" })
    .prefault("400d")
    .describe(
      "How long events stay, with the renewals and superseded pairs they are about. `renewd audit verify` tells what retention removed from what somebody deleted.",
    ),
  keys: duration({ min: "1h", max: "3650d" })
    .prefault("7d")
    .describe(
      "How long the private key of a superseded pair stays after the pair has expired; then it is erased. Keys of revoked pairs stay, to refuse requests that use them.",
    ),
});
