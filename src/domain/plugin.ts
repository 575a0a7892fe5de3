import type { z } from "zod";
import type { TargetLimits } from "./deployer.ts";
import type { ResponderName } from "./issuer.ts";

/**
 * A solver or deployer kind: one file that exports this, plus one line in its folder's registry.
 * Validation, JSON Schema, `renewd` listings and the conformance suite follow from it.
 */
export interface Plugin<Options, Dependencies, Made> {
  /** The `type:` in configuration. */
  readonly type: string;
  /** One sentence for listings and generated docs. */
  readonly description: string;
  /** Strict object of this kind's options, without `type`. */
  readonly options: z.ZodType<Options>;
  readonly create: (options: Options, dependencies: Dependencies) => Made;
  /** Solvers: the ACME challenge type they answer, so that configuration can tell which names they cannot validate. */
  readonly challengeType?: string;
  /** Solvers: the section of renewd's own responder that must listen for it. Default: none. */
  readonly needsResponder?: ResponderName;
  /**
   * Things outside renewd that only one certificate may own (a file path, an ARN), for the given certificate.
   * Two certificates that occupy the same thing are a configuration error.
   */
  readonly occupies?: (options: Options, certificate: string) => readonly string[];
  /** Solvers: throws what keeps it from answering on this machine, such as a directory that is not there. */
  readonly checkMachine?: (options: Options) => Promise<void>;
  /** Channels: an alert stays open there until it is resolved. Default: false. */
  readonly keepsAlerts?: boolean;
  /** Channels with `keepsAlerts`: it is sent acknowledgements too. Default: false. */
  readonly takesAcknowledgements?: boolean;
  /** Channels with `keepsAlerts`: it forgets alerts when it restarts, so open ones are sent again this often. */
  readonly repeatMs?: number;
  /** Targets: its server is reloaded after each deployment, so old workers may still answer for some time. Default: false. */
  readonly reloads?: boolean;
  /** Targets: false for a store, which no client dials: its certificates need no endpoint. Default: true. */
  readonly served?: boolean;
  /** Targets: what they can take, so that `renewd plan` says before issuing what could not be deployed. */
  readonly limits?: (options: Options) => TargetLimits;
}

/** A plugin as a registry holds it, beside others with other options. */
export type RegisteredPlugin<Dependencies, Made> = Plugin<unknown, Dependencies, Made>;

/**
 * Forgets a plugin's option type, so that a registry can be one array. Boundary: what is handed to `create` and
 * `occupies` MUST have come out of this very plugin's `options.parse`, as configuration does; they parse nothing.
 */
export function definePlugin<Options, Dependencies, Made>(
  plugin: Plugin<Options, Dependencies, Made>,
): RegisteredPlugin<Dependencies, Made> {
  return plugin as RegisteredPlugin<Dependencies, Made>;
}

/** A kind as a registry lists it. What it consists of is loaded when somebody needs it, as a configuration that names it. */
export interface Kind<Registered> {
  /** As the plugin's own. */
  readonly type: string;
  /** The same plugin each time. */
  readonly load: () => Promise<Registered>;
}

export function kindOf<Registered>(type: string, load: () => Promise<Registered>): Kind<Registered> {
  let loaded: Promise<Registered> | null = null;
  return {
    type,
    load: () => {
      loaded ??= load();
      return loaded;
    },
  };
}

/** The plugins of all kinds, in their order. */
export function loadKinds<Registered>(kinds: readonly Kind<Registered>[]): Promise<Registered[]> {
  return Promise.all(kinds.map(({ load }) => load()));
}
