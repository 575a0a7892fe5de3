/** `tag=value`; the tag in lower case. */
export type IssueParameter = readonly [tag: string, value: string];

/** An issue-value (RFC 8659 §4.2): in CAA records and, by dns-persist-01, in TXT records. */
export interface IssueValue {
  /** The CA's domain in lower case, without a final dot; "" excludes all CAs. */
  readonly domain: string;
  /** null: they do not have the form of RFC 8659 §4.2. */
  readonly parameters: readonly IssueParameter[] | null;
}

export function parseIssueValue(text: string): IssueValue {
  const [domain = "", ...rest] = text.split(";").map((part) => part.trim());
  const parameters = rest
    .filter((part) => part !== "")
    .map((part): IssueParameter | null => {
      const [, tag, value] = /^([a-z0-9-]+)[ \t]*=[ \t]*([\x21-\x7e]*)$/i.exec(part) ?? [];
      return tag === undefined || value === undefined ? null : [tag.toLowerCase(), value];
    });
  return {
    domain: domain.toLowerCase().replace(/\.$/, ""),
    parameters: parameters.includes(null) ? null : parameters.filter((each) => each !== null),
  };
}
