/** How much it hurts when it stops working; those that hurt most come first in every list. */
export const CRITICALITIES = ["critical", "high", "normal", "low"] as const;
export type Criticality = (typeof CRITICALITIES)[number];

/** Who answers for a certificate or a target, and what they do when it fails. Comes from configuration. */
export interface Responsibility {
  /** A person or a mailbox; null: nobody is named. */
  readonly owner: string | null;
  readonly team: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly criticality: Criticality;
  /** http(s) URL; null: there is none. */
  readonly runbook: string | null;
}

export const NOBODY: Responsibility = { owner: null, team: null, labels: {}, criticality: "normal", runbook: null };

/** `key=value`, sorted by key. */
export function labelTexts({ labels }: Pick<Responsibility, "labels">): string[] {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .sort();
}

/** For people: what is known, by its name. */
export function responsibilityFacts(responsibility: Responsibility): [string, string][] {
  const { owner, team, criticality, runbook } = responsibility;
  const labels = labelTexts(responsibility).join(", ");
  const known: [string, string | null][] = [
    ["Owner", owner],
    ["Team", team],
    ["Labels", labels === "" ? null : labels],
    ["Criticality", criticality === NOBODY.criticality ? null : criticality],
    ["Runbook", runbook],
  ];
  return known.flatMap(([name, value]): [string, string][] => (value === null ? [] : [[name, value]]));
}

/** The same in one line; null: nobody is named. */
export function responsibilityLine(responsibility: Responsibility): string | null {
  const facts = responsibilityFacts(responsibility).map(([name, value]) => `${name.toLowerCase()} ${value}`);
  return facts.length === 0 ? null : facts.join(", ");
}

/** Who is named among them, each once. */
export function responsibleAmong(all: readonly (Responsibility | null | undefined)[]): Responsibility[] {
  const named = all.flatMap((each) => (each && responsibilityLine(each) !== null ? [each] : []));
  return [...new Map(named.map((each) => [JSON.stringify([each, labelTexts(each)]), each])).values()];
}
