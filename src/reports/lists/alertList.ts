import { NOBODY, type Responsibility } from "../../domain/responsibility.ts";
import type { Acknowledged, StatusReport } from "../status.ts";
import type { List } from "./list.ts";
import { criticalityRank, responsibilityColumns, responsibilityFacets } from "./responsibility.ts";

/** Something that is wrong now: with one certificate, or with renewd itself. Instants are ISO 8601. */
export interface AlertRow {
  /** What `renewd acknowledge` takes. */
  readonly subject: string;
  readonly about: "certificate" | "renewd";
  readonly kind: string;
  readonly what: string;
  readonly needsPerson: boolean;
  readonly acknowledged: Acknowledged | null;
  readonly action: string;
  readonly expiresAt: string | null;
  readonly certificates: readonly string[];
  readonly responsibility: Responsibility;
}

export function alertRows({ notices, problems }: StatusReport): AlertRow[] {
  return [
    ...notices.map(
      ({ id, kind, what, action, needsPerson, acknowledged, certificates }): AlertRow => ({
        ...{ subject: id, about: "renewd", kind, what, needsPerson, acknowledged, action },
        ...{ expiresAt: null, certificates, responsibility: NOBODY },
      }),
    ),
    ...problems.map(
      ({ certificate, problems: found, needsPerson, acknowledged, actions, expiresAt, responsibility }): AlertRow => ({
        ...{ subject: certificate, about: "certificate", kind: found[0]?.kind ?? "", needsPerson, acknowledged },
        what: found.map(({ what }) => what).join("; "),
        ...{ action: actions[0] ?? "", expiresAt, certificates: [certificate], responsibility },
      }),
    ),
  ];
}

export const alertList: List<AlertRow> = {
  name: "alerts",
  columns: [
    { key: "subject", title: "Subject", value: ({ subject }) => subject },
    { key: "about", title: "About", value: ({ about }) => about },
    { key: "kind", title: "Kind", value: ({ kind }) => kind },
    { key: "what", title: "What", value: ({ what }) => what },
    { key: "needsPerson", title: "Needs a person", value: ({ needsPerson }) => (needsPerson ? "yes" : "no") },
    { key: "acknowledgedBy", title: "Acknowledged by", value: ({ acknowledged }) => acknowledged?.by ?? null },
    { key: "acknowledgedUntil", title: "Until", value: ({ acknowledged }) => acknowledged?.until ?? null },
    { key: "expiresAt", title: "Expires", value: ({ expiresAt }) => expiresAt },
    { key: "action", title: "What to do", value: ({ action }) => action },
    ...responsibilityColumns,
  ],
  facets: [
    { key: "person", title: "Needs a person", values: ({ needsPerson }) => [needsPerson ? "yes" : "no"] },
    {
      key: "acknowledged",
      title: "Acknowledged",
      values: ({ acknowledged }) => [acknowledged === null ? "no" : "yes"],
    },
    { key: "about", title: "About", values: ({ about }) => [about] },
    { key: "kind", title: "Kind", values: ({ kind }) => [kind] },
    ...responsibilityFacets,
    { key: "subject", title: "Subject", values: ({ subject }) => [subject], isCounted: false },
  ],
  sorts: {
    // What is wrong with renewd itself comes first: other findings may follow from it.
    worst: ({ needsPerson, about, expiresAt, responsibility }) =>
      `${needsPerson ? 0 : 1} ${about === "renewd" ? 0 : 1} ${criticalityRank(responsibility)} ${expiresAt ?? "0"}`,
    subject: ({ subject }) => subject,
    kind: ({ kind }) => kind,
    expires: ({ expiresAt }) => expiresAt,
  },
  defaultSort: "worst",
  id: ({ about, subject }) => `${about} ${subject}`,
  text: ({ subject, what, kind }) => [subject, what, kind],
};
