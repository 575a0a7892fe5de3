import { RenewalError } from "../../../domain/errors.ts";

/** One request as a descriptor writes it. */
export interface RestRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below the provider's base address: by `path`, which encodes what is put into it. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as a form. */
  readonly form?: Readonly<Record<string, string>>;
}

/** Puts values into a path or query, each encoded: a hostile name cannot reach another resource. */
export function path(texts: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  return texts.reduce((whole, text, index) => whole + segment(values[index - 1] ?? "") + text);
}

function segment(value: string | number): string {
  const text = encodeURIComponent(value);
  // Encoded or not, a dot segment is resolved away (WHATWG URL), and the request would reach another resource.
  if (/^\.{1,2}$/.test(text)) throw new RenewalError("dns.badName", `"${text}" cannot be part of an address`);
  return text;
}

export const get = (where: string): RestRequest => ({ method: "GET", path: where });
export const remove = (where: string): RestRequest => ({ method: "DELETE", path: where });
export const post = (where: string, body: unknown): RestRequest => ({ method: "POST", path: where, body });
export const put = (where: string, body: unknown): RestRequest => ({ method: "PUT", path: where, body });
export const patch = (where: string, body: unknown): RestRequest => ({ method: "PATCH", path: where, body });
