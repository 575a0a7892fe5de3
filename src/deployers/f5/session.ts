import { z } from "zod";
import { Secret } from "../../domain/secret.ts";
import type { SecretReference } from "../../domain/secretReference.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { callHttp, type HttpAnswer, type HttpApi, type HttpCall } from "../base/httpApi.ts";
import { answerBody, jsonErrorText } from "../base/jsonAnswer.ts";
import { readTrust } from "../base/trust.ts";

export interface F5Access {
  readonly address: string;
  readonly user: string;
  readonly password: SecretReference;
  readonly loginProvider: string;
  readonly trust?: string | undefined;
  readonly timeout: number;
}

export interface F5Request {
  readonly method: HttpCall["method"];
  /** Below `/mgmt/`. */
  readonly path: string;
  readonly json?: unknown;
  /** A file's content, sent as it is. */
  readonly file?: string;
  readonly transaction?: number;
  readonly secrets?: readonly Secret[];
  readonly expected?: readonly number[];
}

/** A logged-in session. Disposing ends the token: a user has at most a hundred. */
export interface F5Session extends AsyncDisposable {
  readonly api: HttpApi;
  call(request: F5Request, signal: AbortSignal): Promise<HttpAnswer>;
  /** For clean-up that must also happen after our own signal aborted. It is bounded and its failure is ignored. */
  cleanUp(request: F5Request): Promise<void>;
}

const loginBody = z.object({ token: z.object({ token: z.string().min(1) }) });
/** iControl REST User Guide, "About error responses". */
const errorText = jsonErrorText(
  z.object({ code: z.number(), message: z.string() }),
  ({ code, message }) => `${message} (${code})`,
);
const CLEAN_UP_TIMEOUT_MS = 5_000;

/** iControl REST User Guide, "Token-based authentication" (clouddocs.f5.com/api/icontrol-rest). */
export async function openSession(
  access: F5Access,
  { secret }: DeployerDependencies,
  signal: AbortSignal,
): Promise<F5Session> {
  const { origin, host } = new URL(access.address);
  const api: HttpApi = {
    name: `BIG-IP ${host}`,
    timeoutMs: access.timeout,
    ca: await readTrust(access.trust),
    errorText,
  };
  const password = await secret(access.password);
  const body = JSON.stringify({
    username: access.user,
    password: password.reveal(),
    loginProviderName: access.loginProvider,
  });
  const request = {
    method: "POST",
    url: new URL(`${origin}/mgmt/shared/authn/login`),
    headers: { "content-type": "application/json" },
    body,
  } as const;
  const token = new Secret(
    answerBody(api, await callHttp(api, { ...request, secrets: [password] }, signal), loginBody).token.token,
  );

  const call = (asked: F5Request, until: AbortSignal): Promise<HttpAnswer> => {
    const { method, path, secrets = [], expected = [] } = asked;
    const content = bodyOf(asked);
    const headers = {
      "x-f5-auth-token": token.reveal(),
      ...content.headers,
      ...(asked.transaction !== undefined && { "x-f5-rest-coordination-id": String(asked.transaction) }),
    };
    const url = new URL(`${origin}/mgmt/${path}`);
    return callHttp(
      api,
      {
        method,
        url,
        headers,
        expected,
        secrets: [token, ...secrets],
        ...(content.body !== null && { body: content.body }),
      },
      until,
    );
  };
  const cleanUp = async (asked: F5Request): Promise<void> => {
    await call(asked, AbortSignal.timeout(CLEAN_UP_TIMEOUT_MS)).catch(() => undefined);
  };
  return {
    api,
    call,
    cleanUp,
    [Symbol.asyncDispose]: () => cleanUp({ method: "DELETE", path: `shared/authz/tokens/${token.reveal()}` }),
  };
}

function bodyOf({ json, file }: F5Request): {
  readonly body: string | Uint8Array | null;
  readonly headers: Record<string, string>;
} {
  if (json !== undefined) return { body: JSON.stringify(json), headers: { "content-type": "application/json" } };
  if (file === undefined) return { body: null, headers: {} };
  const body = Buffer.from(file);
  // One piece: BIG-IP takes up to a megabyte at once.
  return {
    body,
    headers: { "content-type": "application/octet-stream", "content-range": `0-${body.length - 1}/${body.length}` },
  };
}
