import type { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import type { ErrorText, HttpAnswer, HttpApi } from "./httpApi.ts";

/**
 * The body of an answer. Throws `deploy.unreachable` for any other shape: then something else answers at this address.
 */
export function answerBody<Body>(api: HttpApi, answer: HttpAnswer, schema: z.ZodType<Body>): Body {
  const parsed = schema.safeParse(jsonOrNull(answer.text));
  if (parsed.success) return parsed.data;
  throw new RenewalError("deploy.unreachable", `${api.name} answered ${answer.status} with an unexpected body`);
}

/** For APIs whose errors are JSON of this shape. */
export function jsonErrorText<Body>(schema: z.ZodType<Body>, textOf: (body: Body) => string): ErrorText {
  return (text) => {
    const parsed = schema.safeParse(jsonOrNull(text));
    return parsed.success ? textOf(parsed.data) : null;
  };
}

/** null: not JSON. */
export function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
