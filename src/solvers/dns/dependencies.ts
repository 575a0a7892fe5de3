import type { DnsStore } from "../../domain/dnsRecord.ts";
import type { Secret } from "../../domain/secret.ts";
import type { SecretReference } from "../../domain/secretReference.ts";

export interface DnsDependencies {
  /** The solver's name in configuration. */
  readonly solver: string;
  readonly dns: DnsStore;
  /** Reads the secret at each use. */
  secret(reference: SecretReference): Promise<Secret>;
  /** ms since epoch. */
  readonly now: () => number;
  /** Where authoritative name servers listen. Default: 53. */
  readonly dnsPort?: number;
}
