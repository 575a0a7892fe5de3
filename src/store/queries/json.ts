import { z } from "zod";
import { KEY_TYPES } from "../../domain/certificate.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import type { Evidence, Observation } from "../../domain/endpoint.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { EventDetail } from "../../domain/event.ts";
import type { Leaf } from "../../domain/version.ts";

/** What the JSON columns hold. A row that was edited by hand is refused here. */
export const leafJson: z.ZodType<Leaf> = z.object({
  serial: z.string(),
  fingerprint: z.string(),
  identifiers: z.array(z.object({ type: z.enum(["dns", "ip"]), value: z.string() })),
  notBefore: z.number(),
  notAfter: z.number(),
  keyType: z.enum(KEY_TYPES).nullable(),
  issuerName: z.string(),
});

export const chainJson: z.ZodType<readonly string[]> = z.array(z.string());

export const namesJson: z.ZodType<readonly string[]> = z.array(z.string());

export const receiptJson: z.ZodType<DeployReceipt> = z.record(z.string(), z.union([z.string(), z.number()]));

export const detailJson: z.ZodType<EventDetail> = z.record(
  z.string(),
  z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())]),
);

export const observationJson: z.ZodType<Observation> = z.object({
  address: z.string(),
  port: z.number(),
  sni: z.string(),
  at: z.number(),
  durationMs: z.number(),
  served: z
    .object({
      fingerprint: z.string(),
      serial: z.string(),
      subjectAltNames: z.array(z.string()),
      issuer: z.string(),
      notBefore: z.number(),
      notAfter: z.number(),
      chain: z.array(z.string()),
    })
    .nullable(),
  protocol: z.string().optional(),
  cipher: z.string().optional(),
  owed: z.number().exactOptional(),
  problem: z.object({ code: z.string(), message: z.string() }).nullable(),
});

export const evidenceJson: z.ZodType<Evidence> = z.object({
  generation: z.number(),
  good: z.number(),
  goodSince: z.number().nullable(),
  lastGoodAt: z.number().nullable(),
  relapses: z.number(),
  lastWrongAt: z.number().nullable(),
  recent: z.array(z.string()),
  server: z.number().optional(),
  attested: z.number().optional(),
});

/** `where` names the record for people. */
export function readJson<T>(schema: z.ZodType<T>, text: string, where: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new RenewalError(
      "store.unreadable",
      `the database's ${where} cannot be read: it is damaged, or a newer renewd wrote it`,
      { cause },
    );
  }
}
