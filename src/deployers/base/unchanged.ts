import type { DeployRequest } from "../../domain/deployer.ts";

/** In the receipt of a deploy that changed no file. */
export const COMMAND_LEFT_OUT = "no file changed, so the command was not run";

/**
 * Whether a deployer may leave out its reload or command if it finds every file as wanted: it was asked so, and the
 * last successful deploy, which ended with the reload or command, was of this very pair at this place.
 */
export function mayLeaveOut({ pair, previous, onlyIfChanged }: DeployRequest, file: string): boolean {
  const { generation, leaf } = pair;
  if (onlyIfChanged !== true || previous === null) return false;
  return previous.generation === generation && previous.fingerprint === leaf.fingerprint && previous.file === file;
}
