/**
 * Text that chats show as it is. One body goes to Slack, Mattermost, Teams and Google Chat, so it obeys all their
 * rules:
 *
 * - Slack, Mattermost (Slack's format) and Google Chat read `<!channel>`, `<users/all>` and `<url|text>`; Teams reads HTML.
 *   All show `&lt;` as text (api.slack.com/reference/surfaces/formatting#escaping).
 * - Mattermost and Discord's Slack format notify for `@channel` and `@everyone`, also behind letters and punctuation: a
 *   full-width at sign does not. That of a mail address stays.
 * - Teams, Mattermost and Discord read Markdown: a link or picture needs `](`.
 */
export function chatText(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replace(MENTION, "＠")
    .replaceAll("](", "] (");
}

/** A mention, in any chat; not the at sign of a mail address. */
const MENTION = /(?<![a-z0-9])@(?=\w)|@(?=(?:here|all|channel|everyone)\b)|@(?=\w)(?![\w-]+\.\w)/gi;

/**
 * For those that show `&lt;` as it is. Telegram makes a mention of `@name` in plain text as well, and Apprise passes
 * the text on to chats of every kind, some of which read `<!channel>` or `[text](url)`.
 */
export function withoutMentions(text: string): string {
  return text
    .replace(MENTION, "＠")
    .replace(/<(?=[!@#]|users\/|at>)/gi, "‹")
    .replaceAll("](", "] (");
}
