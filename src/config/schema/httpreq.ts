import { z } from "zod";
import { checkDnsName } from "./identifiers.ts";
import { secretReference } from "./secretReference.ts";

const zone = z.string().transform((text, context) => {
  const checked = checkDnsName(text);
  if ("value" in checked) return checked.value;
  context.addIssue({ code: "custom", message: checked.problem });
  return z.NEVER;
});

const client = z.strictObject({
  password: secretReference.describe("Reference to its password for Basic authentication, at least 16 characters."),
  solver: z.string().min(1).max(64).describe("Name of a solver that publishes in DNS."),
  zones: z
    .array(zone)
    .min(1)
    .max(1_000)
    .describe("It may publish at `_acme-challenge.` of these names and of all names below them, and nowhere else."),
  delegated: z
    .array(zone)
    .max(1_000)
    .default([])
    .describe("And at exactly these names, which a CNAME at `_acme-challenge.NAME` leads to."),
});

/** By the name that the client sends as its user; a colon would end it (RFC 7617 §2). */
export const httpreqSchema = z
  .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/, "is not a valid user name"), client)
  .default({})
  .describe(
    "Clients that may publish dns-01 answers through renewd, by lego's `httpreq` contract below `/httpreq`. Default: none.",
  );
