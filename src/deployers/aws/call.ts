import type { RenewalError } from "../../domain/errors.ts";
import { remembered } from "../../domain/remember.ts";
import type { Secret } from "../../domain/secret.ts";
import { callSdk } from "../base/sdkCall.ts";
import { type AwsService, awsError } from "./error.ts";

/** How an account is reached. */
export interface AwsAccess {
  readonly region: string;
  readonly endpoint?: string | undefined;
  readonly profile?: string | undefined;
  readonly timeoutMs: number;
}

/** What every client of the SDK is made with. One attempt: only `renewal/` decides about retries. */
export interface AwsClientConfig {
  readonly region: string;
  readonly maxAttempts: 1;
  readonly endpoint?: string;
  readonly profile?: string;
}

/** One request, with every failure a RenewalError; `hidden` is never shown when AWS quotes it. */
export type CallAws<Loaded> = <T>(
  call: { readonly action: string; readonly hidden?: Secret },
  send: (loaded: Loaded, options: { readonly abortSignal: AbortSignal }) => Promise<T>,
  signal: AbortSignal,
) => Promise<T>;

/** `where` names service and place for people, such as `ACM in eu-central-1`. */
export function awsCalls<Loaded>(
  service: AwsService,
  where: string,
  access: AwsAccess,
  load: (config: AwsClientConfig) => Promise<Loaded>,
): CallAws<Loaded> {
  const { region, endpoint, profile, timeoutMs } = access;
  const config: AwsClientConfig = {
    region,
    maxAttempts: 1,
    ...(endpoint !== undefined && { endpoint }),
    ...(profile !== undefined && { profile }),
  };
  // Loaded at first use: the SDK takes longer to load than most commands to run.
  const loadedOnce = remembered(() => load(config));
  return async ({ action, hidden }, send, signal) => {
    signal.throwIfAborted();
    const loaded = await loadedOnce();
    const what = `${where}: ${action}`;
    const translate = (error: unknown): RenewalError =>
      awsError(error, { service, where, action, hidden: hidden ?? null }, Date.now());
    return await callSdk({ what, timeoutMs, run: (abortSignal) => send(loaded, { abortSignal }), translate }, signal);
  };
}
