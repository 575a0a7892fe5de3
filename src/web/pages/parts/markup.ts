import { html, raw } from "hono/html";
import { inert } from "../../../domain/text.ts";
import { watchedKeyOf } from "../../../renewal/rules/watched.ts";

/** Escaped already. A string that goes into `html` is escaped; only what `html` made is not escaped again. */
export type Html = ReturnType<typeof html>;

export const NOTHING: Html = raw("");

/** Text of CAs, targets, people and configurations: characters that act are spelled out, the rest `html` escapes. */
export function foreign(text: string): string {
  return inert(text);
}

/** A number is always a link to exactly that many rows: `href` is a query of the list that counted them. */
export function count(number: number, href: string, label = ""): Html {
  const text = label === "" ? "" : ` ${label}`;
  return html`<a class="count" href="${href}" data-count="${number}"><b>${formatNumber(number)}</b>${text}</a>`;
}

/** 4,995 */
export function formatNumber(number: number): string {
  return number.toLocaleString("en-US");
}

export function plural(number: number, noun: string, many = `${noun}s`): string {
  return number === 1 ? noun : many;
}

/** A path in which every part is one name. */
export function pathOf(...parts: readonly string[]): string {
  return parts.map((part) => `/${encodeURIComponent(part)}`).join("");
}

/** Also of a watched endpoint, as alerts name it. */
export function certificateHref(name: string): string {
  const watched = watchedKeyOf(name);
  return watched === null ? pathOf("certificates", name) : pathOf("watched", watched);
}

export function renewalHref(id: string): string {
  return pathOf("renewals", id);
}

/** Backquoted code of advice as code. */
export function advice(text: string): Html {
  const parts = foreign(text).split("`");
  return html`${parts.map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part))}`;
}
