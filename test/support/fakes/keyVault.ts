// Azure Key Vault cannot be used here, so this fake stands in for it and for Microsoft Entra under their real host
// names, and enforces what Microsoft documents: learn.microsoft.com/rest/api/keyvault/certificates (import, get,
// update, deleted; PEM only with its content type and a PKCS#8 key; versions),
// …/key-vault/general/authentication-requests-and-responses (challenge with authorization and resource),
// …/general/soft-delete-overview (a deleted name conflicts), …/general/service-limits (tags),
// …/entra/identity-platform/v2-oauth2-client-creds-grant-flow.
import { createPrivateKey, randomBytes, randomUUID, X509Certificate } from "node:crypto";
import { z } from "zod";
import { splitPem } from "../../../src/x509/pem.ts";
import { type ApiFake, type ApiReply, type ApiRequest, startApiFake } from "./api.ts";
import { entraLogin, LOGIN } from "./entra.ts";
import { standInForVendor } from "./vendorHosts.ts";

export interface KeyVaultVersion {
  readonly version: string;
  readonly pem: string;
  readonly der: Buffer;
  tags: Readonly<Record<string, string>>;
}

export interface KeyVaultFake extends ApiFake {
  readonly vault: string;
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  versions(name: string): readonly KeyVaultVersion[];
  /** Marks the certificate as renewed by Key Vault itself, or as read in another form. */
  setPolicy(name: string, policy: { readonly issuer?: string; readonly contentType?: string }): void;
  softDelete(name: string): void;
  /** As people import another pair as the newest version, or delete and purge the certificate. */
  replace(name: string, pem: string | null): void;
  /** The application may no longer do this. */
  forbid(permission: "get" | "import" | "update"): void;
}

interface Entry {
  readonly versions: KeyVaultVersion[];
  issuer: string;
  contentType: string;
}

const PEM = "application/x-pem-file";
const HOST = "edge.vault.azure.net";
const importBody = z.object({
  value: z.string().min(1),
  policy: z
    .object({
      secret_props: z.object({ contentType: z.string().optional() }).optional(),
      key_props: z.object({ exportable: z.boolean().optional() }).optional(),
      issuer: z.object({ name: z.string().optional() }).optional(),
    })
    .optional(),
  tags: z.record(z.string().max(256), z.string().max(256)).optional(),
});
const tagsBody = z.object({ tags: z.record(z.string(), z.string()) });

class Fault extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export async function startKeyVaultFake(): Promise<KeyVaultFake> {
  const [tenantId, clientId, clientSecret] = [randomUUID(), randomUUID(), `secret~${randomBytes(20).toString("hex")}`];
  const entries = new Map<string, Entry>();
  const deleted = new Set<string>();
  const forbidden = new Set<string>();
  const login = entraLogin({ tenantId, clientId, clientSecret, resource: "https://vault.azure.net" });

  function bundle(name: string, { version, der, tags }: KeyVaultVersion): ApiReply {
    const { issuer, contentType } = existing(name);
    const id = `https://${HOST}/certificates/${name}`;
    const policy = {
      id: `${id}/policy`,
      secret_props: { contentType },
      issuer: { name: issuer },
      key_props: { exportable: true },
    };
    return {
      status: 200,
      body: {
        id: `${id}/${version}`,
        kid: `https://${HOST}/keys/${name}/${version}`,
        cer: der.toString("base64"),
        attributes: { enabled: true },
        tags,
        policy,
      },
    };
  }

  function existing(name: string): Entry {
    const entry = entries.get(name.toLowerCase());
    if (entry === undefined || deleted.has(name.toLowerCase())) {
      throw new Fault(
        404,
        "CertificateNotFound",
        `A certificate with (name/id) ${name} was not found in this key vault.`,
      );
    }
    return entry;
  }

  function importCertificate(name: string, body: string): ApiReply {
    if (!/^[0-9a-zA-Z-]{1,127}$/.test(name))
      throw new Fault(400, "BadParameter", "The request URI contains an invalid name");
    if (deleted.has(name.toLowerCase())) {
      throw new Fault(
        409,
        "Conflict",
        `Certificate ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in ` +
          "this state, the certificate can only be recovered or purged.",
      );
    }
    const parsed = importBody.safeParse(JSON.parse(body));
    if (!parsed.success) throw new Fault(400, "BadParameter", parsed.error.message);
    const { value, policy, tags = {} } = parsed.data;
    if (Object.keys(tags).length > 15) throw new Fault(400, "BadParameter", "A maximum of 15 tags is allowed.");
    if (policy?.secret_props?.contentType !== PEM)
      throw new Fault(400, "BadParameter", "The specified PKCS#12 X.509 certificate content can not be read.");
    const der = checkPem(value);
    const made = { version: randomBytes(16).toString("hex"), pem: value, der, tags };
    const entry = entries.get(name.toLowerCase()) ?? { versions: [], issuer: "Unknown", contentType: PEM };
    entry.versions.push(made);
    entry.issuer = policy.issuer?.name ?? "Unknown";
    entry.contentType = PEM;
    entries.set(name.toLowerCase(), entry);
    return bundle(name, made);
  }

  function answer(request: ApiRequest): ApiReply {
    const { method, path, headers } = request;
    if (request.host.startsWith(LOGIN)) return login.answer(request);
    if (!request.host.startsWith(HOST)) return { status: 404, body: "no such host here" };
    if (!login.accessTokens.has(String(headers.authorization ?? "").replace(/^Bearer /, ""))) {
      const challenge = `Bearer authorization="https://${LOGIN}/${tenantId}", resource="https://vault.azure.net"`;
      return {
        status: 401,
        headers: { "www-authenticate": challenge },
        body: { error: { code: "Unauthorized", message: "AKV10000: Request is missing a Bearer or PoP token." } },
      };
    }
    if (request.query.get("api-version") === null)
      throw new Fault(400, "BadParameter", "api-version must be specified");
    const [, kind = "", name = "", rest = ""] =
      /^\/(certificates|deletedcertificates)\/([^/]+)(?:\/([^/]*))?$/.exec(path) ?? [];
    const permit = (permission: string): void => {
      if (forbidden.has(permission))
        throw new Fault(
          403,
          "Forbidden",
          `The user, group or application does not have certificates ${permission} permission on key vault '${HOST}'.`,
        );
    };
    if (kind === "deletedcertificates") {
      permit("get");
      if (!deleted.has(name.toLowerCase()))
        throw new Fault(404, "CertificateNotFound", `Deleted Certificate not found: ${name}`);
      const last = entries.get(name.toLowerCase())?.versions.at(-1);
      return {
        status: 200,
        body: {
          id: `https://${HOST}/certificates/${name}/${last?.version}`,
          recoveryId: `https://${HOST}/deletedcertificates/${name}`,
          attributes: {},
          cer: last?.der.toString("base64"),
        },
      };
    }
    if (method === "GET" && path === "/certificates") {
      permit("list");
      const listed = [...entries.keys()].filter((each) => !deleted.has(each));
      const value = listed.map((each) => ({
        id: `https://${HOST}/certificates/${each}`,
        attributes: { enabled: true },
      }));
      return { status: 200, body: { value, nextLink: null } };
    }
    if (method === "POST" && rest === "import") {
      permit("import");
      return importCertificate(name, request.body);
    }
    const entry = ((): Entry => {
      permit(method === "PATCH" ? "update" : "get");
      return existing(name);
    })();
    const held = rest === "" ? entry.versions.at(-1) : entry.versions.find(({ version }) => version === rest);
    if (held === undefined)
      throw new Fault(
        404,
        "CertificateNotFound",
        `A certificate with (name/id) ${name}/${rest} was not found in this key vault.`,
      );
    if (method === "PATCH") held.tags = tagsBody.parse(JSON.parse(request.body)).tags;
    return bundle(name, held);
  }

  const api = await startApiFake(
    (request) => {
      try {
        return answer(request);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        return { status: error.status, body: { error: { code: error.code, message: error.message } } };
      }
    },
    { tls: [HOST, LOGIN] },
  );
  const vendor = await standInForVendor(api);
  const stop = async (): Promise<void> => {
    await vendor[Symbol.asyncDispose]();
    await api.stop();
  };
  return {
    ...api,
    vault: `https://${HOST}`,
    tenantId,
    clientId,
    clientSecret,
    versions: (name) => entries.get(name)?.versions ?? [],
    setPolicy(name, { issuer, contentType }) {
      const entry = existing(name);
      entry.issuer = issuer ?? entry.issuer;
      entry.contentType = contentType ?? entry.contentType;
    },
    replace(name, pem) {
      if (pem === null) return void entries.delete(name.toLowerCase());
      existing(name).versions.push({ version: randomBytes(16).toString("hex"), pem, der: checkPem(pem), tags: {} });
    },
    softDelete: (name) => void deleted.add(name),
    forbid: (permission) => void forbidden.add(permission),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** What Key Vault demands of a PEM file; returns the leaf. */
function checkPem(value: string): Buffer {
  const keyPem = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/.exec(value)?.[0];
  if (keyPem === undefined)
    throw new Fault(400, "BadParameter", "The PEM certificate file doesn't contain the private key in PKCS#8 format.");
  const [leafPem] = splitPem(value);
  if (leafPem === undefined)
    throw new Fault(400, "BadParameter", "The specified PEM X.509 certificate content is in an unexpected format.");
  const leaf = new X509Certificate(leafPem);
  if (!leaf.checkPrivateKey(createPrivateKey(keyPem)))
    throw new Fault(400, "BadParameter", "Private key of X.509 certificate content is not valid for the certificate.");
  return leaf.raw;
}
