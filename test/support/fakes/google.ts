// What the fakes of Google's APIs share: service accounts (cloud.google.com/docs/authentication, self-signed JWTs per
// google.aip.dev/auth/4111), errors (google.aip.dev/193), and HTTPS the real clients trust.
import { createPublicKey, createVerify, generateKeyPairSync } from "node:crypto";
import { z } from "zod";
import { type ApiFake, type ApiReply, type ApiRequest, startApiFake } from "./api.ts";
import { trustFake } from "./vendorHosts.ts";

export const PROJECT = "my-project-123";

export class GoogleFault extends Error {
  readonly code: number;
  readonly status: string;
  constructor(code: number, status: string, message: string) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export interface GoogleFake extends ApiFake {
  /** host:port, for the option `endpoint`. */
  readonly endpoint: string;
  /** A service account key the fake accepts, and one it does not. */
  readonly serviceAccount: string;
  readonly stranger: string;
  /** The service account may no longer do this, by IAM permission. */
  forbid(permission: string): void;
}

export async function startGoogleFake(
  route: (request: ApiRequest, permit: (permission: string) => void) => unknown,
): Promise<GoogleFake> {
  const [own, other] = [newAccount(), newAccount()];
  const forbidden = new Set<string>();
  const permit = (permission: string): void => {
    if (forbidden.has(permission))
      throw new GoogleFault(
        403,
        "PERMISSION_DENIED",
        `Permission '${permission}' denied on resource (or it may not exist).`,
      );
  };
  const api = await startApiFake(
    (request): ApiReply => {
      try {
        checkToken(String(request.headers.authorization ?? ""), own.publicPem);
        return { status: 200, body: route(request, permit) };
      } catch (error) {
        if (!(error instanceof GoogleFault)) throw error;
        return {
          status: error.code,
          body: { error: { code: error.code, status: error.status, message: error.message } },
        };
      }
    },
    { tls: ["google.test"] },
  );
  const trust = trustFake(api);
  const stop = async (): Promise<void> => {
    trust[Symbol.dispose]();
    await api.stop();
  };
  return {
    ...api,
    endpoint: `127.0.0.1:${api.port}`,
    serviceAccount: own.json,
    stranger: other.json,
    forbid: (permission) => void forbidden.add(permission),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function newAccount(): { readonly json: string; readonly publicPem: string } {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const json = JSON.stringify({
    type: "service_account",
    project_id: PROJECT,
    client_email: `renewd@${PROJECT}.iam.gserviceaccount.com`,
    private_key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  });
  return { json, publicPem: publicKey.export({ type: "spki", format: "pem" }).toString() };
}

const claims = z.object({ iss: z.string(), exp: z.number(), scope: z.string().optional(), aud: z.string().optional() });

function checkToken(authorization: string, publicPem: string): void {
  const [head = "", payload = "", signature = ""] = authorization.replace(/^Bearer /, "").split(".");
  const signed = createVerify("RSA-SHA256")
    .update(`${head}.${payload}`)
    .verify(createPublicKey(publicPem), signature, "base64url");
  const parsed = signed
    ? claims.safeParse(JSON.parse(Buffer.from(payload, "base64url").toString("utf8"))).data
    : undefined;
  const fits =
    parsed !== undefined &&
    parsed.exp * 1000 > Date.now() &&
    `${parsed.scope} ${parsed.aud}`.includes("googleapis.com");
  if (!fits) throw new GoogleFault(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.");
}
