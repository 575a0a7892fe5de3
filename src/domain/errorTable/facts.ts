/** Who has to act, and whether another attempt can help: decides back-off and notifications. */
export type ErrorClass = "transient" | "rateLimited" | "validation" | "caa" | "target" | "configuration" | "internal";

export interface ErrorFacts {
  readonly class: ErrorClass;
  /**
   * `backoff`: try again later in the same renewal. `never`: end the renewal; the planner starts another much later.
   */
  readonly retry: "backoff" | "never";
  /** What the reader should do, one imperative sentence. */
  readonly action: string;
}
