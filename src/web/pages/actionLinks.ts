import type { ActionName } from "./actions/names.ts";

/** The page that shows what an action would do and asks for a reason. Nothing is done by following it. */
export function actionHref(
  action: ActionName,
  parameters: Readonly<Record<string, string | readonly string[]>>,
): string {
  const search = new URLSearchParams();
  for (const [key, values] of Object.entries(parameters))
    for (const value of typeof values === "string" ? [values] : values) search.append(key, value);
  const text = search.toString();
  return `/actions/${action}${text === "" ? "" : `?${text}`}`;
}
