import { CRITICALITIES, labelTexts, type Responsibility } from "../../domain/responsibility.ts";
import type { Column, Facet } from "./list.ts";

/** The value of `owner` and `team` where none is named: such rows can be asked for as well. */
export const NOBODYS = "nobody";

interface Row {
  readonly responsibility: Responsibility;
}

export const responsibilityColumns: readonly Column<Row>[] = [
  { key: "owner", title: "Owner", value: ({ responsibility: { owner } }) => owner },
  { key: "team", title: "Team", value: ({ responsibility: { team } }) => team },
  { key: "labels", title: "Labels", value: ({ responsibility }) => labelTexts(responsibility).join(" ") },
  { key: "criticality", title: "Criticality", value: ({ responsibility: { criticality } }) => criticality },
  { key: "runbook", title: "Runbook", value: ({ responsibility: { runbook } }) => runbook },
];

export const responsibilityFacets: readonly Facet<Row>[] = [
  { key: "owner", title: "Owner", values: ({ responsibility: { owner } }) => [owner ?? NOBODYS] },
  { key: "team", title: "Team", values: ({ responsibility: { team } }) => [team ?? NOBODYS] },
  { key: "label", title: "Label", values: ({ responsibility }) => labelTexts(responsibility) },
  { key: "criticality", title: "Criticality", values: ({ responsibility: { criticality } }) => [criticality] },
];

/** 0: what hurts most. */
export function criticalityRank({ criticality }: Responsibility): number {
  return CRITICALITIES.indexOf(criticality);
}
