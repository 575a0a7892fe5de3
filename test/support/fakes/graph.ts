// Microsoft Graph cannot be used here, so this fake enforces what Microsoft documents of reading an application
// (learn.microsoft.com/graph/api/application-get, …/resources/passwordcredential, …/errors): a token of Microsoft Entra
// for Graph, the permission, `hint` with the first three characters, `secretText` never.
import { randomBytes, randomUUID } from "node:crypto";
import { type ApiFake, type ApiReply, startApiFake } from "./api.ts";
import { entraLogin, LOGIN } from "./entra.ts";
import { standInForVendor } from "./vendorHosts.ts";

interface PasswordCredential {
  readonly displayName: string | null;
  readonly hint: string;
  readonly startDateTime: string;
  readonly endDateTime: string;
}

export interface GraphFake extends ApiFake {
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** In the portal's order. */
  passwordCredentials: readonly PasswordCredential[];
  /** The application has Application.Read.All. */
  mayRead: boolean;
}

export async function startGraphFake(): Promise<GraphFake> {
  const [tenantId, clientId, clientSecret] = [randomUUID(), randomUUID(), `9xQ~${randomBytes(20).toString("hex")}`];
  const state = { passwordCredentials: [] as readonly PasswordCredential[], mayRead: true };
  const failed = (status: number, code: string): ApiReply => ({ status, body: { error: { code, message: code } } });
  let login: ReturnType<typeof entraLogin> | null = null;
  const api = await startApiFake(
    (request) => {
      const { method, path, headers, host, query } = request;
      if (host.startsWith(LOGIN)) return login?.answer(request) ?? failed(503, "serviceNotAvailable");
      const token = String(headers.authorization ?? "").replace(/^Bearer /, "");
      if (login?.accessTokens.has(token) !== true) return failed(401, "InvalidAuthenticationToken");
      const asked = /^\/v1\.0\/applications\(appId='([^']+)'\)$/.exec(decodeURIComponent(path))?.[1];
      if (method !== "GET" || asked === undefined) return failed(400, "BadRequest");
      if (!state.mayRead) return failed(403, "Authorization_RequestDenied");
      if (asked !== clientId) return failed(404, "Request_ResourceNotFound");
      if (query.get("$select") !== "passwordCredentials") return failed(400, "Request_BadRequest");
      const credentials = state.passwordCredentials.map((each) => ({
        ...{ customKeyIdentifier: null, keyId: randomUUID(), secretText: null },
        ...each,
      }));
      return { status: 200, body: { "@odata.context": "https://x", passwordCredentials: credentials } };
    },
    { tls: ["localhost", LOGIN] },
  );
  login = entraLogin({ tenantId, clientId, clientSecret, resource: api.origin });
  const vendor = await standInForVendor(api);
  return Object.assign(state, api, {
    ...{ tenantId, clientId, clientSecret },
    async stop() {
      await vendor[Symbol.asyncDispose]();
      await api.stop();
    },
  });
}
