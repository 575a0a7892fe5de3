import { createInterface } from "node:readline/promises";
import { RenewalError } from "../domain/errors.ts";

/** Goes on only after `yes`: given as an option, or typed at the terminal. Throws `request.invalid` otherwise. */
export async function confirm(question: string, yes: boolean): Promise<void> {
  if (yes) return;
  if (process.stdin.isTTY !== true)
    throw new RenewalError("request.invalid", "--yes: is needed where nobody can be asked");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    if ((await terminal.question(`${question} Type yes: `)).trim() !== "yes")
      throw new RenewalError("request.invalid", "nothing was done");
  } finally {
    terminal.close();
  }
}
