import type { Command } from "commander";
import { suggestion } from "../../config/read/suggestions.ts";
import { RenewalError } from "../../domain/errors.ts";
import { ERRORS, type ErrorFacts, isErrorCode } from "../../domain/errorTable.ts";
import { type Cli, perform } from "../command.ts";
import { renderTable } from "../terminal/table.ts";

/** `renewd errors --json`. */
export interface ErrorsReport {
  readonly version: 1;
  readonly errors: readonly (ErrorFacts & { readonly code: string })[];
}

export function addErrors(program: Command, cli: Cli): void {
  const command = program
    .command("errors")
    .description("What an error code means, whether renewd tries again by itself, and what to do. Without CODE: all.")
    .argument("[CODE]", "such as acme.rateLimited");
  perform(command, cli, async ({ args: [code], output }) => {
    if (code !== undefined && !isErrorCode(code))
      throw new RenewalError(
        "request.invalid",
        `"${code.slice(0, 80)}" is no error code${suggestion(code, Object.keys(ERRORS))}`,
      );
    const errors = Object.entries(ERRORS)
      .filter(([each]) => code === undefined || each === code)
      .map(([each, facts]) => ({ code: each, ...facts }));
    output.report({ version: 1, errors } satisfies ErrorsReport, ({ errors: shown }, screen) => {
      const columns = [
        { title: "CODE" },
        { title: "KIND" },
        { title: "RETRY" },
        { title: "WHAT TO DO", widthMin: 30, wraps: true },
      ];
      return renderTable(
        columns,
        shown.map(({ code: each, class: kind, retry, action }) => [each, kind, retry, action]),
        screen,
      ).join("\n");
    });
    return "ok";
  });
}
