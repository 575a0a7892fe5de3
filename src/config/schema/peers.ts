import { z } from "zod";
import { CLEAR_TEXT_REFUSED, isClearText } from "../../domain/loopback.ts";
import { duration } from "./duration.ts";
import { secretReference } from "./secretReference.ts";

const url = z
  .url({ protocol: /^https?$/, error: "must be the http or https URL of its pages" })
  .refine((text) => !isClearText(text), CLEAR_TEXT_REFUSED)
  .refine((text) => {
    const { username, password, search, hash } = new URL(text);
    return `${username}${password}${search}${hash}` === "";
  }, "must hold no user, password, query or fragment: it is shown; `token` is for secrets")
  .transform((text) => text.replace(/\/+$/, ""));

/** Another renewd that this one watches. */
export const peerSchema = z.strictObject({
  url: url.describe("Where its pages are; `/readyz` is asked there."),
  every: duration({ min: "1s", max: "1h" }).prefault("1m").describe("How often it is asked."),
  sweepMax: duration({ min: "10s", max: "1d" })
    .prefault("5m")
    .describe("How long ago its planner may have completed its last sweep."),
  trust: z
    .string()
    .min(1)
    .optional()
    .describe("PEM file with the CAs that its certificate is trusted by. Default: those of the system."),
  token: secretReference
    .optional()
    .describe("Reference to a bearer token, for a proxy in front of it: renewd itself needs none for this."),
});
