import { setImmediate as nextTurn } from "node:timers/promises";

/** Short beside the time limits of handshakes and leases, long beside a row. */
const WORK_MS = 5;

/** Lets timers and sockets have their turn. Costs next to nothing before a stretch of work is long. */
export type Turn = () => Promise<void>;

/** For a long loop: asked after each row or so, it gives up the turn by time, however much a row costs. */
export function takingTurns(workMs: number = WORK_MS): Turn {
  let begunAt = performance.now();
  return async () => {
    if (performance.now() - begunAt < workMs) return;
    await nextTurn();
    begunAt = performance.now();
  };
}
