import type { DiscoveryConfig } from "../config/config.ts";
import { filesSource } from "../discovery/files.ts";
import { machineAt } from "../discovery/index.ts";
import { lemurSource } from "../discovery/lemur.ts";
import { machineSources } from "../discovery/machineSources.ts";
import type { DiscoveryReport, DiscoverySource } from "../domain/discovery.ts";
import { RenewalError, toRenewalError } from "../domain/errors.ts";
import type { DiscoverySourceName } from "../domain/inventory.ts";
import type { Secret } from "../domain/secret.ts";
import type { SecretReference } from "../domain/secretReference.ts";
import { sanitize } from "../domain/text.ts";
import type { Context } from "../renewal/context.ts";
import type { Seen } from "../renewal/watch/discover.ts";
import { foundCertificate } from "../x509/describe.ts";
import type { Reader } from "./reader.ts";

/** A source, made when its turn comes. */
export interface SourceMaker {
  readonly name: DiscoverySourceName;
  readonly make: (seen: Seen) => DiscoverySource;
}

const TARGET_TIMEOUT_MS = 600_000;
const PLACE_MAX = 300;

/** What files of this machine say, and Lemur. */
export function fileSources(
  { files, passwords, lemur }: DiscoveryConfig,
  root: string,
  secret: (reference: SecretReference) => Promise<Secret>,
): SourceMaker[] {
  const sources = [
    ...machineSources((signal) => machineAt(root, signal)),
    filesSource({ paths: files, passwords: () => Promise.all(passwords.map(secret)) }),
    ...(lemur === undefined ? [] : [lemurSource({ url: lemur.url, token: () => secret(lemur.token) })]),
  ];
  return sources.map((source) => ({ name: source.name, make: () => source }));
}

/** Certificates that the credentials of each target can list. One that cannot be asked stops no other. */
export function targetSource({ config, services }: Pick<Reader, "config"> & Pick<Context, "services">): SourceMaker {
  return {
    name: "targets",
    make: () => ({
      name: "targets",
      async look(report, signal) {
        for (const [name, { agent }] of config.targets) {
          // Only the agent has its credentials.
          if (!agent) await lookInto(name, services.deployer(name), report, signal);
        }
      },
    }),
  };
}

async function lookInto(
  target: string,
  { held }: ReturnType<Context["services"]["deployer"]>,
  report: DiscoveryReport,
  signal: AbortSignal,
): Promise<void> {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(TARGET_TIMEOUT_MS)]);
  try {
    await held?.(({ certificate: bytes, place, target: options }) => {
      const certificate = foundCertificate(typeof bytes === "string" ? firstBlock(bytes) : bytes);
      if (certificate === null) return report.problem(`${target}: what it has at ${place} is no certificate`);
      report.found(certificate, { place: sanitize(place, PLACE_MAX), endpoint: null, target: options });
    }, patience);
  } catch (thrown) {
    signal.throwIfAborted();
    const error = patience.aborted ? new RenewalError("deploy.unreachable", "no whole answer in time") : thrown;
    report.problem(`target ${target}: ${toRenewalError(error).message}`);
  }
}

function firstBlock(pem: string): string {
  return /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(pem)?.[0] ?? "";
}
