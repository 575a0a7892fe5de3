import type { Command } from "commander";
import type { AlertTestReport } from "../../actions/alerts.ts";
import { inert } from "../../domain/text.ts";
import { type Cli, performAnywhere } from "../command.ts";
import { refuseMistypedCommand } from "../mistypedCommand.ts";
import { asksForSomebody, renderAlertRules, renderAlerts } from "../render/alerts.ts";
import type { Screen } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";

export function addAlerts(program: Command, cli: Cli): void {
  const alerts = program
    .command("alerts")
    .description("What is wrong, grouped by cause: who was notified, who has taken it on, and who is next.");
  addList(alerts, cli);
  addAcknowledge(alerts, cli);
  addRules(alerts, cli);
  addTest(alerts, cli);
  addExercise(alerts, cli);
}

function addList(alerts: Command, cli: Cli): void {
  const command = alerts
    .command("list", { isDefault: true })
    .description("Open alerts, their receipts and the channels. `list` may be left out.")
    .argument("[ALERT]", "only this one, also when it is over")
    .option("--all", "also those that are over");
  refuseMistypedCommand(alerts, command);
  performAnywhere<{ readonly all?: boolean }>(command, cli, async ({ args: [alert = null], options, output, desk }) => {
    const report = await desk.alerts({ alert, all: options.all ?? false });
    output.report(report, renderAlerts);
    return report.alerts.some(asksForSomebody) ? "wrong" : "ok";
  });
}

interface AcknowledgeOptions {
  readonly reason?: string;
  readonly withdraw?: boolean;
}

function addAcknowledge(alerts: Command, cli: Cli): void {
  const command = alerts
    .command("acknowledge")
    .description("Take an alert on: it goes to nobody else until it gets worse, and those who know of it are told.")
    .argument("<ALERT>", "its id, as `renewd alerts` and every message show it")
    .option("--reason <text>", "what you do about it, shown with it")
    .option("--withdraw", "somebody else has to take it on after all");
  performAnywhere<AcknowledgeOptions>(command, cli, async ({ args: [alert = ""], options, output, desk }) => {
    const report = options.withdraw
      ? await desk.withdrawAlert(alert)
      : await desk.acknowledgeAlert(alert, options.reason ?? null);
    output.report(report, ({ by }) =>
      by === null ? `${inert(alert)} is nobody's again` : `${inert(alert)} is acknowledged by ${inert(by)}`,
    );
    return "ok";
  });
}

function addRules(alerts: Command, cli: Cli): void {
  const command = alerts.command("rules").description("What can raise an alert, and when each rule last did.");
  performAnywhere(command, cli, async ({ output, desk }) => {
    output.report(await desk.alertRules(), renderAlertRules);
    return "ok";
  });
}

function addTest(alerts: Command, cli: Cli): void {
  const command = alerts
    .command("test")
    .description("Send an alert of a rule, marked as a test, to the channels that would get it.")
    .argument("<RULE>", "one of `renewd alerts rules`");
  performAnywhere(command, cli, async ({ args: [rule = ""], output, desk }) => {
    const report = await desk.testAlertRule(rule);
    output.report(report, renderTest);
    return report.channels.length > 0 && report.channels.every(({ sent }) => sent) ? "ok" : "wrong";
  });
}

function addExercise(alerts: Command, cli: Cli): void {
  const command = alerts
    .command("exercise")
    .description(
      "Break the certificate that `exercise` of the configuration names, to see who acknowledges and how soon.",
    )
    .option("--reason <text>", "why, for the history");
  performAnywhere<{ readonly reason?: string }>(command, cli, async ({ options, output, desk }) => {
    output.report(
      await desk.startExercise(options.reason ?? null),
      ({ certificate, target }) =>
        `${inert(certificate)} is broken at target ${inert(target)} within seconds, until its alert is acknowledged: ` +
        "`renewd alerts` shows how it goes",
    );
    return "ok";
  });
}

function renderTest({ rule, channels }: AlertTestReport, screen: Screen): string {
  if (channels.length === 0) return `no channel gets alerts of rule ${inert(rule)}`;
  const rows = channels.map(({ channel, sent, error }): Cell[] => [
    channel,
    sent ? "sent" : { text: "failed", style: "wrong" },
    error === null ? "" : `${error.message} ${error.action}`,
  ]);
  const columns = [{ title: "CHANNEL" }, { title: "RESULT" }, { title: "", widthMin: 20, wraps: true }];
  return renderTable(columns, rows, screen).join("\n");
}
