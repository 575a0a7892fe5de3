import { inspect } from "node:util";

const REDACTED = "[secret]";

/**
 * A value that must never reach a job, log, event, error or response.
 * Every implicit way to print it yields a placeholder; `reveal()` is the one greppable way in.
 */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return REDACTED;
  }
  toJSON(): string {
    return REDACTED;
  }
  [inspect.custom](): string {
    return REDACTED;
  }
}
