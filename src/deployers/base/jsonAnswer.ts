import type { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import type { HttpAnswer, HttpApi } from "./httpApi.ts";

/** The body of an answer, or `deploy.unreachable`: what speaks another language is not the API we were told to find there. */
export function answerBody<Body>(api: HttpApi, answer: HttpAnswer, schema: z.ZodType<Body>): Body {
  const parsed = schema.safeParse(jsonOrNull(answer.text));
  if (parsed.success) return parsed.data;
  throw new RenewalError(
    "deploy.unreachable",
    `${api.name} answered ${answer.status} with a body that makes no sense here`,
  );
}

/** null: no JSON. */
export function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
