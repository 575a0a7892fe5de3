/** Why a connection failed, in the words of the one error that says it. */
export function networkProblem(error: unknown): string {
  if (!(error instanceof Error)) return "no answer";
  // fetch says no more than that it failed.
  if (error instanceof TypeError && error.cause instanceof Error) return networkProblem(error.cause);
  // Several addresses were tried: the reasons are inside.
  const inner = error instanceof AggregateError ? error.errors.find((one) => one instanceof Error) : undefined;
  return (inner ?? error).message || "no answer";
}
