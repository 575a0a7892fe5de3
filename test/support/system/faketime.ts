import { globSync } from "node:fs";

/**
 * Environment of a process whose wall clock is off, such as "+40d". The library itself: the program `faketime` would
 * stand between us and the worker, and keep our signals from it.
 */
export function shifted(skew: string): Record<string, string> {
  const [library] = globSync("/usr/lib/*/faketime/libfaketime.so.1");
  if (library === undefined) throw new Error("libfaketime is not installed: run scripts/bootstrap.sh test");
  return { LD_PRELOAD: library, FAKETIME: skew, FAKETIME_DONT_FAKE_MONOTONIC: "1" };
}
