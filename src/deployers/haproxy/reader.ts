import { raceAbort } from "../../domain/abort.ts";
import { keptReading } from "../../process/sharedReading.ts";
import type { Reader } from "../local/attributes.ts";
import { runningReader } from "../local/reader.ts";
import { type RuntimeAddress, showPid } from "./runtime.ts";

/** Which user runs HAProxy does not change from one deployment to the next. */
const KEPT_MS = 1_000;
/** Each command has its own limit. */
const NEVER: AbortSignal = new AbortController().signal;

/** The user that reads the files at HAProxy's next start; null: not known. */
export type FindReader = (signal: AbortSignal) => Promise<Reader | null>;

export function createFindReader(address: RuntimeAddress): FindReader {
  const read = keptReading(KEPT_MS, () => haproxyReader(address));
  return (signal) => raceAbort(signal, read);
}

/** HAProxy may have several processes here; the socket names the right one. */
async function haproxyReader(address: RuntimeAddress): Promise<Reader | null> {
  const pid = await showPid(address, NEVER);
  return pid === null ? null : await runningReader({ programs: ["haproxy"], pid }, NEVER);
}
