// What Vault's and OpenBao's API answers.
import { z } from "zod";
import { jsonErrorText } from "../base/jsonAnswer.ts";

export const readAnswer = z.object({
  data: z.object({
    data: z.record(z.string(), z.unknown()).nullable(),
    metadata: z.object({ version: z.number().int() }),
  }),
});
export const writeAnswer = z.object({ data: z.object({ version: z.number().int() }) });
export const loginAnswer = z.object({
  auth: z.object({
    client_token: z.string().min(1),
    metadata: z.object({ role_name: z.string().optional() }).nullish(),
  }),
});
export const mountAnswer = z.object({
  data: z.object({ type: z.string(), options: z.record(z.string(), z.string()).nullish() }),
});

/** https://developer.hashicorp.com/vault/api-docs/system/capabilities-self */
export const capabilitiesAnswer = z.object({ capabilities: z.array(z.string()) });

/** https://developer.hashicorp.com/vault/api-docs#error-response */
export const errorText = jsonErrorText(z.object({ errors: z.array(z.string()) }), ({ errors }) => errors.join("; "));

/** https://developer.hashicorp.com/vault/api-docs/auth/token#lookup-a-token-self : times in seconds since epoch. */
export const tokenAnswer = z.object({
  data: z.object({
    expire_time: z.string().nullable(),
    creation_time: z.number().optional(),
    last_renewal_time: z.number().optional(),
  }),
});

/**
 * https://developer.hashicorp.com/vault/api-docs/auth/approle#read-approle-secret-id : Go's zero time stands for never.
 */
export const secretIdAnswer = z.object({
  data: z.object({
    creation_time: z.string(),
    expiration_time: z.string(),
    secret_id_num_uses: z.number().int().default(0),
  }),
});
export const GO_ZERO_YEAR = "0001-";
