import type { DrillRequest } from "../../../actions/drill.ts";
import { iso } from "../../../reports/instant.ts";
import type { ActionInput } from "./input.ts";

const DEADLINE = "1h";

/** What the page of a drill asks for: the certificates that were ticked, as configured unless an issuer is named. */
export function drillRequest(
  { certificates, until, scenario, replacement: { issuer, waves } }: ActionInput,
  dryRun: boolean,
): DrillRequest {
  return {
    ...{ certificates, labels: [], scenario, issuer: issuer === "" ? null : issuer, waves, dryRun },
    deadline: until === null ? DEADLINE : iso(until),
  };
}
