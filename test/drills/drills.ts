// The catalogue, in the order it is run.
import type { Drill } from "./drill.ts";
import { KILL_DRILLS } from "./killDrills.ts";

export const DRILLS: readonly Drill[] = [...KILL_DRILLS];
