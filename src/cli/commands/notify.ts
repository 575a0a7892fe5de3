import type { Command } from "commander";
import { openReaderToLook } from "../../compose/index.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import { type Cli, perform } from "../command.ts";
import { type Cell, renderTable } from "../terminal/table.ts";

/** `renewd notify --json`. */
export interface NotifyReport {
  readonly version: 1;
  readonly channels: readonly NotifyEntry[];
}

interface NotifyEntry {
  readonly channel: string;
  readonly sent: boolean;
  readonly error: { readonly code: string; readonly message: string; readonly action: string } | null;
}

const TIMEOUT_MS = 60_000;

export function addNotify(program: Command, cli: Cli): void {
  const command = program
    .command("notify")
    .description("Send a test message by each channel, so that a broken one is found before it is needed.")
    .argument("[CHANNEL]", "only this channel of the configuration");
  perform(command, cli, async ({ args: [name], output, configFile }) => {
    await using reader = await openReaderToLook(configFile);
    const channels = [...reader.services.channels()].filter(([each]) => name === undefined || each === name);
    if (channels.length === 0) {
      const what = name === undefined ? "no channel is configured" : `channel "${name.slice(0, 80)}" is not configured`;
      throw new RenewalError("request.invalid", `${what}: add it under \`notifications\` in ${reader.config.file}`);
    }
    const at = reader.clock.now();
    const test = {
      id: `test-${at}`,
      at,
      severity: "info",
      event: "test",
      certificate: null,
      renewalId: null,
      target: null,
      action: null,
      alert: "test",
      // So that it leaves no open alert behind.
      resolves: true,
      responsibility: null,
    } as const;
    const entries = await Promise.all(
      channels.map(async ([channel, { send }]): Promise<NotifyEntry> => {
        try {
          await send(
            { ...test, message: `renewd: a test message by channel ${channel}` },
            AbortSignal.timeout(TIMEOUT_MS),
          );
          // It works again: what it could not deliver need not wait for the end of its back-off.
          await reader.store.cursors.retryNow(channel);
          return { channel, sent: true, error: null };
        } catch (thrown) {
          const { code, message, facts } = toRenewalError(thrown);
          return { channel, sent: false, error: { code, message, action: facts.action } };
        }
      }),
    );
    const report: NotifyReport = { version: 1, channels: entries };
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
