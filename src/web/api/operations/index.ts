import type { Operation } from "../operation.ts";
import { actionOperations } from "./actions.ts";
import { alertOperations } from "./alerts.ts";
import { certificateOperations } from "./certificates.ts";
import { checkOperations } from "./checks.ts";
import { documentOperations } from "./documents.ts";
import { drillOperations } from "./drills.ts";
import { historyOperations } from "./history.ts";
import { horizonOperations } from "./horizon.ts";
import { inquiryOperations } from "./inquiries.ts";
import { inventoryOperations } from "./inventory.ts";
import { placeOperations } from "./places.ts";
import { stateOperations } from "./state.ts";
import { watchedOperations } from "./watched.ts";
import { weekOperations } from "./week.ts";

/** All of `/api/v1`. */
export const OPERATIONS: readonly Operation[] = [
  ...stateOperations,
  ...certificateOperations,
  ...placeOperations,
  // Before `/renewals/{renewal}`: the first that fits answers.
  ...historyOperations,
  ...documentOperations,
  ...inquiryOperations,
  ...actionOperations,
  ...drillOperations,
  ...horizonOperations,
  ...weekOperations,
  ...alertOperations,
  ...inventoryOperations,
  ...watchedOperations,
  ...checkOperations,
];
