import { createInterface } from "node:readline/promises";
import { RenewalError } from "../domain/errors.ts";

/** Goes on only after `yes`: given as an option, or typed at the terminal. Throws `request.invalid` otherwise. */
export async function confirm(question: string, yes: boolean): Promise<void> {
  if (yes) return;
  if (process.stdin.isTTY !== true)
    throw new RenewalError("request.invalid", "--yes: is needed where nobody can be asked");
  if (!(await answersYes(question))) throw new RenewalError("request.invalid", "nothing was done");
}

/** False where nobody can be asked. */
export async function answersYes(question: string): Promise<boolean> {
  if (process.stdin.isTTY !== true) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(`${question} Type yes: `)).trim() === "yes";
  } finally {
    terminal.close();
  }
}
