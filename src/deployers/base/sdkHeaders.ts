/** The Retry-After from an SDK's header collection of any class, in the shape of an `HttpAnswer`'s headers. */
export function retryAfterOf(headers: unknown): Readonly<Record<string, string>> {
  const get = memberOf(headers, "get");
  const value: unknown = typeof get === "function" ? get.call(headers, "retry-after") : undefined;
  return typeof value === "string" ? { "retry-after": value } : {};
}

export function memberOf(value: unknown, name: string): unknown {
  // Boundary: any object may be asked for any member; what comes back is unknown.
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
