import { suggestion } from "../config/read/suggestions.ts";
import { RenewalError } from "../domain/errors.ts";
import { checkNames } from "../renewal/watch/checkNames.ts";
import { type Asked, checkTarget as tryTarget } from "../renewal/watch/checkTarget.ts";
import { testChannel } from "../renewal/watch/testChannel.ts";
import type { NotifyEntry, NotifyReport } from "../reports/notifyTest.ts";
import {
  type ActionContext,
  type ActionError,
  actionError,
  certificateNamed,
  type Decision,
  optionalReason,
} from "./context.ts";

/** What an answer may take while somebody waits for it. */
const WAIT_MAX_MS = 60_000;

/** A test message by each channel, or by one. Throws `request.invalid` for one that is not configured. */
export async function testChannels(
  { renewal }: Pick<ActionContext, "renewal">,
  name: string | null,
  decision: Decision,
): Promise<NotifyReport> {
  const all = renewal.services.channels();
  const channels = [...all].filter(([each]) => name === null || each === name);
  if (channels.length === 0) {
    const what =
      name === null
        ? "no channel is configured"
        : `channel "${name.slice(0, 80)}" is not configured${suggestion(name, [...all.keys()])}`;
    throw new RenewalError("request.invalid", `${what}: channels are under \`notifications\` in the configuration`);
  }
  const asked = askedOf(decision);
  const entries = await Promise.all(
    channels.map(async ([channel, by]): Promise<NotifyEntry> => {
      const error = await testChannel(renewal, channel, by, asked, AbortSignal.timeout(WAIT_MAX_MS));
      return { channel, sent: error === null, error: error && actionError(error) };
    }),
  );
  return { version: 1, channels: entries };
}

/** `renewd check --target NAME --json`. */
export interface TargetCheckReport {
  readonly version: 1;
  readonly target: string;
  /** Nothing was found that would keep a deployment from succeeding. */
  readonly passed: boolean;
  readonly message: string;
  readonly error: ActionError | null;
}

/** Whether a target can be deployed to, tried without touching it. */
export async function checkTarget(
  { renewal }: Pick<ActionContext, "renewal">,
  target: string,
  decision: Decision,
): Promise<TargetCheckReport> {
  const { services } = renewal;
  if (services.responsibility(target) === null)
    throw new RenewalError("request.invalid", `target "${target.slice(0, 80)}" is not configured`);
  if (services.hasAgent(target))
    throw new RenewalError(
      "request.invalid",
      `target "${target.slice(0, 80)}" has its own agent: only the agent's machine can check it, by \`renewd rehearse\``,
    );
  const { passed, message, error } = await tryTarget(
    renewal,
    target,
    askedOf(decision),
    AbortSignal.timeout(WAIT_MAX_MS),
  );
  return { version: 1, target, passed, message, error: error && actionError(error) };
}

/** DNS of many names may take longer than anybody waits. */
const CHECK_MAX_MS = 300_000;
const running = new Set<string>();

/** Begins to check what a CA would check; what it finds is in the history as `certificate.checked`. */
export function beginCheck({ renewal, estate }: ActionContext, name: string, decision: Decision): void {
  const certificate = certificateNamed(estate().certificates, name);
  if (running.has(name)) throw new RenewalError("request.invalid", `"${name.slice(0, 80)}" is being checked already`);
  const asked = askedOf(decision);
  running.add(name);
  checkNames(renewal, certificate, asked, AbortSignal.timeout(CHECK_MAX_MS))
    .catch((thrown: unknown) => renewal.log.error({ err: thrown, certificate: name }, "names not checked"))
    .finally(() => running.delete(name));
}

function askedOf({ by, reason }: Decision): Asked {
  return { by, why: optionalReason(reason) };
}
