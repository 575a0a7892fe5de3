import { NOBODY, type Responsibility } from "../../domain/responsibility.ts";
import {
  type ResponsibilityRule,
  targetResponsibilityKeys,
  type WrittenResponsibility,
} from "../schema/responsibility.ts";

interface Subject {
  readonly kind: "certificates" | "targets";
  readonly name: string;
  /** Identifiers of a certificate. */
  readonly names: readonly string[];
}

export interface ResponsibilitySources {
  readonly rules: readonly ResponsibilityRule[];
  readonly defaults: WrittenResponsibility;
}

/** Its own words, then the first pattern that fits and has the key, then the defaults; labels are added up. */
export function responsibilityOf(
  subject: Subject,
  own: WrittenResponsibility,
  { rules, defaults }: ResponsibilitySources,
): Responsibility {
  const about = rules.filter((rule) => isAbout(rule, subject));
  if (about.length === 0 && !isSomethingSaid(own) && !isSomethingSaid(defaults)) return NOBODY;
  const sources = [own, ...about, defaults];
  const first = <Key extends keyof WrittenResponsibility>(key: Key): WrittenResponsibility[Key] =>
    sources.find((source) => source[key] !== undefined)?.[key];
  return {
    owner: first("owner") ?? NOBODY.owner,
    team: first("team") ?? NOBODY.team,
    labels: Object.assign({}, ...sources.toReversed().map(({ labels = {} }) => labels)),
    criticality: first("criticality") ?? NOBODY.criticality,
    runbook: first("runbook") ?? NOBODY.runbook,
  };
}

/** Very many certificates say nothing. */
function isSomethingSaid({ owner, team, labels, criticality, runbook }: WrittenResponsibility): boolean {
  return [owner, team, labels, criticality, runbook].some((each) => each !== undefined);
}

function isAbout({ certificates = [], names = [], targets = [] }: ResponsibilityRule, subject: Subject): boolean {
  if (subject.kind === "targets") return targets.some((pattern) => fits(pattern, subject.name));
  return (
    certificates.some((pattern) => fits(pattern, subject.name)) ||
    names.some((pattern) => subject.names.some((name) => fits(pattern, name)))
  );
}

/** `*` stands for any characters. The time it takes grows with the text alone, not with the pattern. */
function fits(pattern: string, text: string): boolean {
  const [first = "", ...others] = pattern.toLowerCase().split("*");
  const value = text.toLowerCase();
  const last = others.pop();
  if (last === undefined) return value === first;
  if (!value.startsWith(first) || !value.endsWith(last) || value.length < first.length + last.length) return false;
  let from = first.length;
  for (const part of others) {
    const found = value.indexOf(part, from);
    if (found < 0) return false;
    from = found + part.length;
  }
  return from <= value.length - last.length;
}

/** Keys of a target that say nothing about what it holds: a new team must deploy nothing again. */
export const TARGET_RESPONSIBILITY_KEYS: readonly string[] = Object.keys(targetResponsibilityKeys);
