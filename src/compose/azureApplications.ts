import { dirname } from "node:path";
import type { Config } from "../config/config.ts";
import { processEnvironment } from "../config/read/environment.ts";
import { readSecret } from "../config/read/readSecret.ts";
import type { HorizonSource } from "../domain/horizon.ts";
import type { SecretReference } from "../domain/secretReference.ts";

interface Login {
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: SecretReference;
  readonly authority: string | null;
  readonly vault: string | null;
}

interface Holder {
  readonly subject: string;
  readonly options: unknown;
  readonly owner: string | null;
  readonly runbook: string | null;
}

/** The client secrets that targets in Key Vault and solvers in Azure DNS log in with, each once. */
export function azureApplications({ targets, solvers, file }: Config): HorizonSource[] {
  const holders: Holder[] = [
    ...[...targets].flatMap(
      ([
        name,
        {
          type,
          agent,
          options,
          responsibility: { owner, runbook },
        },
      ]) =>
        type !== "azure-key-vault" || agent
          ? []
          : [
              {
                subject: `target ${name}`,
                options: { vault: memberOf(options, "vault"), ...Object(memberOf(options, "credential")) },
                owner,
                runbook,
              },
            ],
    ),
    ...[...solvers].flatMap(([name, { type, options }]) =>
      type === "azure-dns" ? [{ subject: `solver ${name}`, options, owner: null, runbook: null }] : [],
    ),
  ];
  const seen = new Set<string>();
  return holders.flatMap(({ subject, options, owner, runbook }): HorizonSource[] => {
    const login = loginIn(options);
    if (login === null) return [];
    const id = JSON.stringify([login.clientId, login.clientSecret]);
    if (seen.has(id)) return [];
    seen.add(id);
    return [
      {
        ...{ kind: "token", subject, owner, runbook },
        async look(signal) {
          const clientSecret = await readSecret(login.clientSecret, dirname(file), processEnvironment);
          const { clientSecretEnds } = await import("../horizon/azureClientSecret.ts");
          return clientSecretEnds({ ...login, clientSecret }, signal);
        },
      },
    ];
  });
}

/** null: Azure's own chain finds a credential, of which nobody here knows. */
function loginIn(options: unknown): Login | null {
  const [tenantId, clientId] = [memberOf(options, "tenantId"), memberOf(options, "clientId")];
  const [authority, vault] = [memberOf(options, "authority"), memberOf(options, "vault")];
  const clientSecret = memberOf(options, "clientSecret");
  const [kind, at] = [memberOf(clientSecret, "kind"), memberOf(clientSecret, "at")];
  if (typeof tenantId !== "string" || typeof clientId !== "string" || typeof at !== "string") return null;
  if (kind !== "env" && kind !== "file") return null;
  const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null);
  return { tenantId, clientId, clientSecret: { kind, at }, authority: textOf(authority), vault: textOf(vault) };
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined;
}
