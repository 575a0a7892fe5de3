import { RenewalError } from "../domain/errors.ts";

/** `input` false: `--no-input` was given. */
export interface Asking {
  readonly input: boolean;
}

function canAsk({ input }: Asking): boolean {
  return input && process.stdin.isTTY === true;
}

/** Goes on only after `yes`: given as an option, or typed at the terminal. Throws `request.invalid` otherwise. */
export async function confirm(question: string, { yes, input }: Asking & { readonly yes: boolean }): Promise<void> {
  if (yes) return;
  if (!canAsk({ input })) throw new RenewalError("request.invalid", "--yes: is needed where nobody can be asked");
  if (!(await answersYes(question, { input }))) throw new RenewalError("request.invalid", "nothing was done");
}

/** False where nobody can be asked. */
export async function answersYes(question: string, asking: Asking): Promise<boolean> {
  if (!canAsk(asking)) return false;
  const { createInterface } = await import("node:readline/promises");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(`${question} Type yes: `)).trim() === "yes";
  } finally {
    terminal.close();
  }
}
