import type { Command } from "commander";
import { type Cli, performAnywhere } from "../command.ts";
import { type Cell, renderTable } from "../terminal/table.ts";

export function addNotify(program: Command, cli: Cli): void {
  const command = program
    .command("notify")
    .description("Send a test message by each channel, so that a broken one is found before it is needed.")
    .argument("[CHANNEL]", "only this channel of the configuration");
  performAnywhere(command, cli, async ({ args: [name], output, desk }) => {
    const report = await desk.notify(name ?? null);
    const { channels: entries } = report;
    output.report(report, (_, screen) => {
      const rows = entries.map(({ channel, sent, error }): Cell[] => [
        channel,
        sent ? "sent" : { text: "failed", style: "wrong" },
        error === null ? "" : `${error.message} ${error.action}`,
      ]);
      return renderTable(
        [{ title: "CHANNEL" }, { title: "RESULT" }, { title: "", widthMin: 20, wraps: true }],
        rows,
        screen,
      ).join("\n");
    });
    return entries.every(({ sent }) => sent) ? "ok" : "wrong";
  });
}
