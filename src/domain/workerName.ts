import { hostname } from "node:os";

/** Names this process in history and logs. */
export function workerName(): string {
  return `${hostname()}/${process.pid}`;
}
