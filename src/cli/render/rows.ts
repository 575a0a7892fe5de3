/** What a copy of the store holds, in the words people use for it. */
export function rowsSentence(rows: Readonly<Record<string, number>>): string {
  const count = (table: string, one: string, many: string): string =>
    `${rows[table] ?? 0} ${rows[table] === 1 ? one : many}`;
  return [
    count("certificates", "certificate", "certificates"),
    count("versions", "version", "versions"),
    count("renewals", "renewal", "renewals"),
    count("events", "event of history", "events of history"),
    count("accounts", "ACME account", "ACME accounts"),
  ].join(", ");
}
