import { z } from "zod";

/** The document of a command, of the version that this release prints. */
export function document<T>(version: number): z.ZodType<T> {
  const versioned = z.looseObject({ version: z.literal(version) });
  return z.custom<T>((value) => versioned.safeParse(value).success, {
    error: `is no document of version ${version}: renewd there is of another release`,
  });
}

/** Parameters that say nothing are left out. */
export function search(parameters: Readonly<Record<string, string | null>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== null) query.set(name, value);
  return query.size === 0 ? "" : `?${query}`;
}

export const eventSchema = z.looseObject({
  seq: z.int(),
  at: z.string(),
  type: z.string(),
  certificate: z.string().nullable(),
  renewalId: z.string().nullable(),
  target: z.string().nullable(),
  process: z.string(),
  detail: z.record(z.string(), z.unknown()),
});
export const eventsSchema = z.object({ items: z.array(eventSchema) });
