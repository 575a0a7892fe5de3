import { RenewalError } from "./errors.ts";

/** Why work is aborted when its process ends: unlike for a lost lease, there is no time left to wait for an answer. */
export class Stopping extends RenewalError {
  constructor() {
    super("lease.lost", "This worker is shutting down");
  }
}
