import type { Endpoint } from "../../domain/endpoint.ts";
import type { Problems } from "../read/problems.ts";
import { quote } from "../read/suggestions.ts";
import type { Draft } from "./certificates.ts";
import { mappingOf, type Raw } from "./sections.ts";

interface Asked {
  /** The certificate that exercises break; undefined: none. */
  readonly exercise: string | undefined;
  readonly canary: string | undefined;
  /** Certificates as written: one of them may say `sacrificial: true` itself. */
  readonly written: Raw;
}

/** Only a certificate that is marked for it, and that shares nothing with another, is ever broken on purpose. */
export function checkExercise(
  { exercise, canary, written }: Asked,
  drafts: readonly Draft[],
  problems: Problems,
): void {
  const draft = drafts.find(({ name }) => name === exercise);
  // Names of certificates that there are not are told with the other references.
  if (draft === undefined) return;
  const refuse = (why: string): void => problems.add(["exercise", "certificate"], `${quote(draft.name)} ${why}`);
  if (mappingOf(written[draft.name])?.sacrificial !== true)
    refuse("would be broken on purpose: if nothing depends on it, say so with `sacrificial: true` on the certificate");
  if (draft.name === canary) refuse("is the canary, which must work: name another");
  if (draft.mode !== "renew") refuse("is only observed, so renewd could not put it right");
  if (draft.csr !== null) refuse("has a `csr`, whose key a target would lose: name one without");
  if (draft.targets.length !== 1) refuse("must have exactly one target, which gets the broken pair");
  if (draft.endpoints.length === 0) refuse("has no endpoint, so nobody could see that it is broken");
  for (const other of drafts) {
    if (other.name === draft.name) continue;
    const names = new Set(other.identifiers.map(({ value }) => value));
    const shared = draft.identifiers.find(({ value }) => names.has(value));
    if (shared !== undefined)
      refuse(`shares the name ${shared.value} with ${quote(other.name)}: it needs names of its own`);
    const place = draft.endpoints.find((each) => other.endpoints.some((endpoint) => isSame(each, endpoint)));
    if (place !== undefined)
      refuse(`shares the endpoint ${place.host}:${place.port} (${place.sni}) with ${quote(other.name)}`);
  }
}

function isSame(a: Endpoint, b: Endpoint): boolean {
  return a.host === b.host && a.port === b.port && a.sni === b.sni;
}
