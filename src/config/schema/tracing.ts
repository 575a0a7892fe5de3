import { z } from "zod";
import { secretReference } from "./secretReference.ts";

/** Off unless the section is there. */
export const tracingSchema = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, error: "must be a URL such as http://127.0.0.1:4318/v1/traces" })
    .describe("OTLP receiver over HTTP, with its path: usually `http://HOST:4318/v1/traces`."),
  headers: z
    .record(z.string().regex(/^[A-Za-z0-9-]{1,64}$/, "must be the name of an HTTP header"), secretReference)
    .default({})
    .describe("Headers of each request, such as `authorization`, as references to their values."),
  ratio: z.number().min(0).max(1).default(1).describe("How many of all traces are recorded: 1 is all."),
});
