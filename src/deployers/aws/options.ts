import { z } from "zod";
import { durationOption } from "../base/duration.ts";
import { secretUrl } from "../base/secretUrl.ts";
import type { AwsAccess } from "./call.ts";

export const regionOption = z.string().regex(/^[a-z]{2,4}(-[a-z]+)+-\d$/, "give a region such as eu-central-1");

// "Tag" in the API references of ACM, Secrets Manager and IAM: letters, spaces, numbers and _.:/=+-@
const TAG_TEXT = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

/** AWS allows 50 tags; renewd needs a few of them. */
export const tagsOption = z
  .record(z.string().min(1).max(128).regex(TAG_TEXT), z.string().max(256).regex(TAG_TEXT))
  .refine((tags) => Object.keys(tags).length <= 40, "at most 40 tags")
  .refine(
    (tags) => Object.keys(tags).every((key) => !/^(aws|renewd):/i.test(key)),
    "keys beginning with aws: or renewd: are reserved",
  )
  .optional();

/** Options of every target in AWS. */
export const accessOptions = {
  profile: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe(
      "Profile of the AWS configuration files. Default: the SDK's credential chain (environment, web identity, " +
        "instance role …).",
    ),
  endpoint: secretUrl.optional().describe("Another endpoint, such as a VPC endpoint's URL."),
  timeout: durationOption("30s").describe("Time one call may take: 500ms, 30s, 2m."),
};

interface AccessOptions {
  readonly profile?: string | undefined;
  readonly endpoint?: string | undefined;
  /** ms */
  readonly timeout: number;
}

export function accessOf({ profile, endpoint, timeout }: AccessOptions, region: string): AwsAccess {
  return { region, profile, endpoint, timeoutMs: timeout };
}
