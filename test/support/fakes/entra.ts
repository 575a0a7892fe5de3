// Microsoft Entra's login of applications, as learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
// has it, and what its SDK asks first.
import { randomBytes } from "node:crypto";
import type { ApiReply, ApiRequest } from "./api.ts";

export const LOGIN = "login.microsoftonline.com";

export interface EntraApplication {
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** What tokens are for. */
  readonly resource: string;
}

export interface EntraLogin {
  answer(request: ApiRequest): ApiReply;
  /** Tokens handed out. */
  readonly accessTokens: ReadonlySet<string>;
}

export function entraLogin({ tenantId, clientId, clientSecret, resource }: EntraApplication): EntraLogin {
  const accessTokens = new Set<string>();
  function answer({ path, body }: ApiRequest): ApiReply {
    if (path.endsWith("/.well-known/openid-configuration")) {
      const base = `https://${LOGIN}/${tenantId}`;
      const endpoints = {
        token_endpoint: `${base}/oauth2/v2.0/token`,
        authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
        jwks_uri: `${base}/discovery/v2.0/keys`,
      };
      return { status: 200, body: { ...endpoints, issuer: `${base}/v2.0` } };
    }
    if (path === "/common/discovery/instance") {
      const tenant_discovery_endpoint = `https://${LOGIN}/${tenantId}/v2.0/.well-known/openid-configuration`;
      return {
        status: 200,
        body: {
          tenant_discovery_endpoint,
          "api-version": "1.1",
          metadata: [{ preferred_network: LOGIN, preferred_cache: LOGIN, aliases: [LOGIN] }],
        },
      };
    }
    const sent = new URLSearchParams(body);
    if (path !== `/${tenantId}/oauth2/v2.0/token` || sent.get("grant_type") !== "client_credentials")
      return { status: 404, body: { error: "invalid_request" } };
    if (sent.get("client_id") !== clientId || sent.get("client_secret") !== clientSecret) {
      return {
        status: 401,
        body: {
          error: "invalid_client",
          error_description: "AADSTS7000215: Invalid client secret provided.",
          error_codes: [7000215],
        },
      };
    }
    if (sent.get("scope")?.includes(`${resource}/.default`) !== true)
      return { status: 400, body: { error: "invalid_scope" } };
    const token = randomBytes(24).toString("base64url");
    accessTokens.add(token);
    return { status: 200, body: { token_type: "Bearer", expires_in: 3599, ext_expires_in: 3599, access_token: token } };
  }

  return { answer, accessTokens };
}
