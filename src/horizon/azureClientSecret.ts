import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import type { CredentialEnd } from "../domain/horizon.ts";
import { loadOptional } from "../domain/optionalPackage.ts";
import type { Secret } from "../domain/secret.ts";
import { sanitize } from "../domain/text.ts";
import { boundedJson } from "./boundedJson.ts";

/** What a target or a solver logs in to Azure with. */
export interface AzureApplication {
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: Secret;
  /** Login of another cloud; null: that of the vault, or the public one. */
  readonly authority: string | null;
  /** URL of the Key Vault that is deployed to; null: none. */
  readonly vault: string | null;
}

/** Of a cloud of Microsoft: its login, its Graph (https://learn.microsoft.com/graph/deployments), how its vaults end. */
interface Cloud {
  readonly login: string;
  readonly graph: string;
  readonly vaults: string;
}

const CLOUDS: readonly Cloud[] = [
  { login: "login.microsoftonline.com", graph: "https://graph.microsoft.com", vaults: ".vault.azure.net" },
  { login: "login.microsoftonline.us", graph: "https://graph.microsoft.us", vaults: ".vault.usgovcloudapi.net" },
  {
    ...{ login: "login.chinacloudapi.cn", vaults: ".vault.azure.cn" },
    graph: "https://microsoftgraph.chinacloudapi.cn",
  },
];
/** https://learn.microsoft.com/graph/api/resources/passwordcredential : `hint` is how the secret begins. */
const passwordJson = z.object({
  hint: z.string().nullish(),
  displayName: z.string().nullish(),
  startDateTime: z.string().nullish(),
  endDateTime: z.string().nullish(),
});
const applicationJson = z.object({ passwordCredentials: z.array(passwordJson) });
const HINT_CHARACTERS = 3;
const NAME_CHARACTERS_MAX = 80;
const REASON_CHARACTERS_MAX = 200;

const UNTOLD =
  "Microsoft Graph does not tell: give the application the permission Application.Read.All, or declare its end";

/**
 * When the client secret of an application ends, from Microsoft Graph, asked as that application. Of several secrets
 * that begin alike the first to end counts. Throws `horizon.unknown`. `standIn`: where Graph is, if not
 * where Microsoft has it.
 */
export async function clientSecretEnds(
  application: AzureApplication,
  signal: AbortSignal,
  standIn?: string,
): Promise<CredentialEnd[]> {
  const { clientId, clientSecret } = application;
  const cloud = cloudOf(application);
  if (cloud === undefined) throw unknown("the Microsoft Graph of this cloud is not known: declare the secret's end");
  const graph = standIn ?? cloud.graph;
  const token = await logIn(application, { ...cloud, graph }, signal);
  const url = `${graph}/v1.0/applications(appId='${clientId}')?$select=passwordCredentials`;
  const { host } = new URL(url);
  const headers = { authorization: `Bearer ${token}`, accept: "application/json" };
  const response = await fetch(url, { headers, signal, redirect: "error" }).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw unknown(`${host} does not answer`, cause);
  });
  if (!response.ok) {
    await response.body?.cancel();
    if (response.status === 403) return [{ what: "client secret", ends: null, begins: null, note: UNTOLD }];
    const why = response.status === 404 ? "it does not know the application" : `it answered ${response.status}`;
    throw unknown(`${host}: ${why}`);
  }
  const answer = applicationJson.safeParse(await boundedJson(response, host));
  if (!answer.success) throw unknown(`${host} answered something that is no application`);
  const hint = clientSecret.reveal().slice(0, HINT_CHARACTERS);
  const alike = answer.data.passwordCredentials.filter((each) => each.hint === hint).map(endOf);
  const first = alike.toSorted((a, b) => (a.ends ?? Number.MAX_VALUE) - (b.ends ?? Number.MAX_VALUE))[0];
  if (first === undefined) throw unknown(`${host} lists no secret of the application that begins as the one in use`);
  return [first];
}

function cloudOf({ authority, vault }: AzureApplication): Cloud | undefined {
  if (authority !== null) return CLOUDS.find(({ login }) => login === new URL(authority).hostname);
  if (vault === null) return CLOUDS[0];
  return CLOUDS.find(({ vaults }) => new URL(vault).hostname.endsWith(vaults));
}

function endOf({ displayName, startDateTime, endDateTime }: z.infer<typeof passwordJson>): CredentialEnd {
  const instant = (text: string | null | undefined): number | null => {
    const at = Date.parse(text ?? "");
    return Number.isNaN(at) ? null : at;
  };
  const name = sanitize(displayName ?? "", NAME_CHARACTERS_MAX);
  return {
    ...{ what: "client secret", ends: instant(endDateTime), begins: instant(startDateTime) },
    note: name === "" ? null : `called "${name}"`,
  };
}

/** By Azure's own SDK, as the target and the solver log in. */
async function logIn(
  { tenantId, clientId, clientSecret }: AzureApplication,
  { login, graph }: Cloud,
  signal: AbortSignal,
): Promise<string> {
  const identity = await loadOptional("@azure/identity", () => import("@azure/identity"), import.meta.url);
  if (identity === null) throw unknown("the package @azure/identity is not installed");
  const credential = new identity.ClientSecretCredential(tenantId, clientId, clientSecret.reveal(), {
    retryOptions: { maxRetries: 0 },
    authorityHost: `https://${login}`,
  });
  const found = await credential.getToken(`${graph}/.default`, { abortSignal: signal }).catch((thrown: unknown) => {
    signal.throwIfAborted();
    // Neither the error nor the rest of its text: they hold the request. AADSTS: Microsoft Entra's codes.
    const [, reason = "no answer"] = /(AADSTS\d+: [^\r\n]*)/.exec(thrown instanceof Error ? thrown.message : "") ?? [];
    throw unknown(`Microsoft Entra gave no token: ${sanitize(reason, REASON_CHARACTERS_MAX)}`);
  });
  return found.token;
}

function unknown(message: string, cause?: unknown): RenewalError {
  return new RenewalError("horizon.unknown", message, { cause });
}
