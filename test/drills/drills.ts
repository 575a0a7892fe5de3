// The catalogue, in the order it is run.
import { ALERT_DRILLS } from "./alertDrills.ts";
import { API_DRILLS } from "./apiDrills.ts";
import { BUSY_DRILLS } from "./busyDrills.ts";
import { CA_DRILLS } from "./caDrills.ts";
import { CLOCK_DRILLS } from "./clockDrills.ts";
import { DATABASE_DRILLS } from "./databaseDrills.ts";
import { DISK_DRILLS } from "./diskDrills.ts";
import { DNS_DRILLS } from "./dnsDrills.ts";
import type { Drill } from "./drill.ts";
import { FILE_DRIFT_DRILLS } from "./fileDriftDrills.ts";
import { HISTORY_DRILLS } from "./historyDrill.ts";
import { KEY_ECHO_DRILLS } from "./keyEchoDrill.ts";
import { KILL_DRILLS } from "./killDrills.ts";
import { LOAD_DRILLS } from "./loadDrills.ts";
import { MIXTURE_DRILLS } from "./mixtureDrills.ts";
import { NETWORK_DRILLS } from "./networkDrills.ts";
import { NIGHT_DRILLS } from "./nightDrills.ts";
import { REDIS_DRILLS } from "./redisDrills.ts";
import { RENEWAL_INFO_DRILLS } from "./renewalInfoDrills.ts";
import { SABOTAGE_DRILLS } from "./sabotageDrill.ts";
import { SWAP_DRILLS } from "./swapDrills.ts";
import { WATCH_DRILLS } from "./watchDrills.ts";
import { WORKER_DRILLS } from "./workerDrills.ts";

export const DRILLS: readonly Drill[] = [
  ...KILL_DRILLS,
  ...WORKER_DRILLS,
  ...REDIS_DRILLS,
  ...DISK_DRILLS,
  ...NETWORK_DRILLS,
  ...DATABASE_DRILLS,
  ...CLOCK_DRILLS,
  ...BUSY_DRILLS,
  ...CA_DRILLS,
  ...DNS_DRILLS,
  ...RENEWAL_INFO_DRILLS,
  ...MIXTURE_DRILLS,
  ...SABOTAGE_DRILLS,
  ...FILE_DRIFT_DRILLS,
  ...SWAP_DRILLS,
  ...NIGHT_DRILLS,
  ...LOAD_DRILLS,
  ...API_DRILLS,
  ...ALERT_DRILLS,
  ...HISTORY_DRILLS,
  ...KEY_ECHO_DRILLS,
  ...WATCH_DRILLS,
];
