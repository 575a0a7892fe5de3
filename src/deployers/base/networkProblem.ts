/**
 * Why a connection failed, in the words of the one error that says it. Only errors of the system and of TLS are quoted,
 * which have a code: a parser's error quotes what it cannot read, and that may repeat the request.
 */
export function networkProblem(error: unknown): string {
  if (!(error instanceof Error)) return "no answer";
  // fetch says no more than that it failed.
  if (error instanceof TypeError && error.cause instanceof Error) return networkProblem(error.cause);
  // Several addresses were tried: the reasons are inside.
  const inner = error instanceof AggregateError ? error.errors.find((one) => one instanceof Error) : undefined;
  const shown = inner ?? error;
  const code = codeOf(shown) ?? codeOf(shown.cause);
  if (code === null || code === "PARSE_ERROR") return "no answer that can be read";
  return shown.message || code;
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}

/**
 * The error without its own members. A parse error of Node carries the answer's first packet, other clients' errors the
 * request: both may hold the key.
 */
export function bareCause(error: unknown): Error {
  const code = codeOf(error);
  const name = error instanceof Error ? error.name : "Error";
  return Object.assign(new Error(code ?? "no answer"), { name, ...(code !== null && { code }) });
}
