import { z } from "zod";
import { durationOption } from "../base/duration.ts";
import { type NameRule, nameOption } from "../base/resourceName.ts";
import { secretOption } from "../base/secretOption.ts";
import { secretUrl } from "../base/secretUrl.ts";
import { trustOption } from "../base/trust.ts";

const SEGMENTS = /^[A-Za-z0-9_.@+=~:-]+(\/[A-Za-z0-9_.@+=~:-]+)*$/;
export const PATH_RULE: NameRule = {
  valid: SEGMENTS,
  advice: "write the parts of a path with letters, digits and _ . @ + = ~ : -, separated by slashes",
  unknown: /(?!)/g,
};

/** A mount or a namespace: no placeholder, and no part that is `.` or `..`. */
const pathOption = (example: string): z.ZodType<string> =>
  nameOption({ ...PATH_RULE, advice: `give a path such as ${example}, without slashes around it` }).refine(
    (path) => !path.includes("{"),
    "knows no placeholder",
  );

export const KINDS = ["certificate", "chain", "fullchain", "privateKey", "bundle"] as const;
const DEFAULT_FIELDS = {
  certificate: "certificate",
  chain: "ca_chain",
  fullchain: "fullchain",
  privateKey: "private_key",
};

export const vaultOptions = z.strictObject({
  address: secretUrl.describe(
    "URL of Vault or OpenBao, such as https://vault.example:8200; http to this machine, as to an agent, is allowed.",
  ),
  namespace: pathOption("team/edge")
    .optional()
    .describe("Namespace of Vault Enterprise or OpenBao. Default: the root namespace."),
  mount: pathOption("secret or team/kv").default("secret").describe("Where the KV version 2 engine is mounted."),
  path: nameOption(PATH_RULE, "certificates/{certificate}").describe(
    "Path of the secret in the engine. `{certificate}` stands for the certificate's name.",
  ),
  fields: z
    .partialRecord(z.enum(KINDS), z.string().min(1).max(255))
    .default(DEFAULT_FIELDS)
    .refine(
      (fields) =>
        fields.bundle !== undefined ||
        (fields.privateKey !== undefined && (fields.certificate ?? fields.fullchain) !== undefined),
      {
        message: "name a field for `bundle`, or for `privateKey` and one of `certificate` and `fullchain`",
      },
    )
    .refine(
      (fields) => new Set(Object.values(fields)).size === Object.keys(fields).length,
      "two kinds of PEM cannot share a field",
    )
    .refine(
      (fields) => !Object.values(fields).some((name) => name.startsWith("renewd_")),
      "fields beginning with renewd_ are reserved",
    )
    .describe(
      "Which PEM goes into which field. Default: certificate: certificate, chain: ca_chain, fullchain: " +
        "fullchain, privateKey: private_key.",
    ),
  auth: z
    .union([
      z.strictObject({ token: secretOption }),
      z.strictObject({
        appRole: z.strictObject({
          roleId: z.string().min(1).max(255),
          secretId: secretOption,
          mount: pathOption("approle").default("approle"),
        }),
      }),
      z.strictObject({
        kubernetes: z.strictObject({
          role: z.string().min(1).max(255),
          mount: pathOption("kubernetes").default("kubernetes"),
          tokenFile: z
            .string()
            .startsWith("/")
            .max(1024)
            .default("/var/run/secrets/kubernetes.io/serviceaccount/token"),
        }),
      }),
    ])
    .describe(
      "How to log in: `token: env:NAME`, `appRole: {roleId, secretId: env:NAME, mount}`, or `kubernetes: {role, " +
        "mount, tokenFile}` with the pod's token.",
    ),
  customMetadata: z
    .boolean()
    .default(false)
    .describe(
      "Also show certificate and generation in the secret's custom metadata, for those who may list but not " +
        "read. It needs `patch` on the metadata path.",
    ),
  trust: trustOption,
  timeout: durationOption("15s").describe("Time one call may take: 500ms, 30s, 2m."),
});

export type VaultOptions = z.infer<typeof vaultOptions>;
