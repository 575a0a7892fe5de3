import type { Notification } from "../domain/notification.ts";
import type { Secret } from "../domain/secret.ts";
import type { SecretReference } from "../domain/secretReference.ts";

/** What every channel is given beside its options. */
export interface ChannelDependencies {
  /** The channel's name in configuration, for messages. */
  readonly channel: string;
  /** Reads what a secret option points to, each time it is called. Throws `config.secret`. */
  readonly secret: (reference: SecretReference) => Promise<Secret>;
}

/** Sends one notification; what it throws is a RenewalError. */
export type Send = (notification: Notification, signal: AbortSignal) => Promise<void>;
