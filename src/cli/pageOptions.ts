import { type Command, InvalidArgumentError } from "commander";
import type { ListWish } from "./desk/desk.ts";

const LIMIT_MAX = 10_000;
const LIMIT_DEFAULT = 500;

export interface PageOptions {
  readonly after?: string;
  readonly limit: number;
}

/** For a list of certificates in the order of their names. */
export function addPageOptions(command: Command): void {
  command
    .option("--after <name>", "begin after this name, where the last page ended")
    .option("--limit <n>", `at most this many (1 to ${LIMIT_MAX})`, limitOption, LIMIT_DEFAULT);
}

export function pageWish({ after = null, limit }: { readonly after?: string | null; readonly limit: number }) {
  return { after, limit } satisfies Pick<ListWish, "after" | "limit">;
}

function limitOption(text: string): number {
  const limit = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > LIMIT_MAX) throw new InvalidArgumentError(`It must be a number from 1 to ${LIMIT_MAX}.`);
  return limit;
}
