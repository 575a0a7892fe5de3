import type { Log } from "../domain/log.ts";

/** Commands say on stderr, in sentences, what a service would log. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
