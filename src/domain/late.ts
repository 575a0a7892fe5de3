/** A function that is loaded when it is first called: what is behind it costs nothing until then. */
export function late<Given extends unknown[], Answer>(
  load: () => Promise<(...given: Given) => Answer | Promise<Answer>>,
): (...given: Given) => Promise<Answer> {
  return async (...given) => (await load())(...given);
}
