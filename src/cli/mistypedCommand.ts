import type { Command } from "commander";
import { nearest, quote } from "../config/read/suggestions.ts";
import { RenewalError } from "../domain/errors.ts";

/**
 * A mistyped command of `group` is taken for an argument of its default command, which would only say that it has too
 * many: the word itself is named instead.
 */
export function refuseMistypedCommand(group: Command, byDefault: Command): void {
  byDefault.allowExcessArguments();
  group.hook("preAction", (_group, { args }) => {
    const most = byDefault.registeredArguments.length;
    if (args !== byDefault.args || args.length <= most) return;
    const meant = nearest(
      args[0] ?? "",
      group.commands.map((command) => command.name()),
    );
    throw new RenewalError(
      "request.invalid",
      meant === null
        ? `too many arguments for \`renewd ${group.name()} ${byDefault.name()}\`: ${args.length}, where ${most} can be`
        : `${quote(args[0] ?? "")} is no command of \`renewd ${group.name()}\`, did you mean ${quote(meant)}?`,
    );
  });
}
