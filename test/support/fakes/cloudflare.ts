// Cloudflare's API cannot be used here, so this fake enforces what it documents of custom certificates:
// developers.cloudflare.com/api/resources/custom_certificates (methods, answers, "PATCHing a configuration for
// sni_custom certificates will result in a new resource id"), …/ssl/edge-certificates/custom-certificates/uploading
// (requirements, packs of one certificate per kind of signature for the same hosts),
// …/fundamentals/api/reference/limits (429 with Retry-After). Its own error codes are examples: Cloudflare lists none
// for these requirements.
import { createPrivateKey, randomBytes, X509Certificate } from "node:crypto";
import { z } from "zod";
import { readLeaf } from "../../../src/x509/leaf.ts";
import { splitPem } from "../../../src/x509/pem.ts";
import { type ApiFake, type ApiReply, type ApiRequest, startApiFake } from "./api.ts";

export interface CloudflareEntry {
  readonly id: string;
  readonly hosts: readonly string[];
  readonly certificate: string;
  readonly privateKey: string;
  readonly type: string;
  readonly bundleMethod: string;
  readonly region: string | null;
  readonly priority: number;
}

export interface CloudflareFake extends ApiFake {
  readonly zone: string;
  readonly token: string;
  readonly endpoint: string;
  certificates(): readonly CloudflareEntry[];
  remove(id: string): void;
  /** Somebody edits one in the dashboard. */
  edit(id: string, change: Partial<Pick<CloudflareEntry, "certificate" | "privateKey" | "bundleMethod">>): void;
  /** Most certificates a plan allows. */
  quota: number;
  /** When the token ends, RFC 3339; null: never, and then it is left out. */
  tokenExpires: string | null;
}

const DAY_MS = 86_400_000;
const upload = z.strictObject({
  certificate: z.string(),
  private_key: z.string(),
  bundle_method: z.enum(["ubiquitous", "optimal", "force"]).optional(),
  type: z.enum(["sni_custom", "legacy_custom"]).optional(),
  geo_restrictions: z.strictObject({ label: z.enum(["us", "eu", "highest_security"]) }).optional(),
});
const priorities = z.strictObject({
  certificates: z.array(z.strictObject({ id: z.string(), priority: z.number().int() })),
});

class Fault extends Error {
  readonly status: number;
  readonly code: number;
  constructor(status: number, code: number, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export async function startCloudflareFake({ zoneName = "test", pageSize = 50 } = {}): Promise<CloudflareFake> {
  const zone = randomBytes(16).toString("hex");
  const token = `cf-${randomBytes(20).toString("hex")}`;
  const entries = new Map<string, CloudflareEntry>();
  const state: Pick<CloudflareFake, "quota" | "tokenExpires"> = { quota: 10, tokenExpires: null };

  function check(
    { certificate, private_key: privateKey, ...rest }: z.infer<typeof upload>,
    replaced: CloudflareEntry | null,
  ): CloudflareEntry {
    const [leafPem] = splitPem(certificate);
    const leaf = parse(leafPem ?? "");
    if (!leaf.checkPrivateKey(key(privateKey)))
      throw new Fault(400, 1009, "The key you provided does not match the certificate.");
    if (leaf.validToDate.getTime() - Date.now() < 14 * DAY_MS)
      throw new Fault(400, 1217, "The certificate is expiring in less than 14 days.");
    const { asymmetricKeyType, asymmetricKeyDetails } = leaf.publicKey;
    if (asymmetricKeyType === "rsa" && (asymmetricKeyDetails?.modulusLength ?? 0) < 2048)
      throw new Fault(400, 1211, "The private key is too short.");
    const hosts = readLeaf(leafPem ?? "").identifiers.map(({ value }) => value);
    if (!hosts.some((host) => host === zoneName || host.endsWith(`.${zoneName}`))) {
      throw new Fault(
        400,
        1214,
        "The certificate has no subject alternative name that matches a hostname of the zone.",
      );
    }
    // A private CA is trusted by no browser.
    if (rest.bundle_method !== "force")
      throw new Fault(400, 1215, "The certificate chain is not publicly trusted; use the user defined bundle method.");
    return {
      id: replaced !== null && replaced.type === "legacy_custom" ? replaced.id : randomBytes(16).toString("hex"),
      hosts,
      certificate,
      privateKey,
      type: replaced?.type ?? rest.type ?? "legacy_custom",
      bundleMethod: rest.bundle_method,
      region: rest.geo_restrictions?.label ?? null,
      priority: replaced?.priority ?? entries.size + 1,
    };
  }

  function refuseDuplicate(next: CloudflareEntry, replaced: string | null): void {
    const pack = (entry: CloudflareEntry): string => `${[...entry.hosts].sort().join(" ")} ${signatureOf(entry)}`;
    if ([...entries.values()].some((entry) => entry.id !== replaced && pack(entry) === pack(next))) {
      throw new Fault(400, 1220, "A custom certificate with these hosts and this signature algorithm already exists.");
    }
  }

  function route({ method, path, query, body, headers }: ApiRequest): unknown {
    const authorization = String(headers.authorization ?? "");
    if (!/^Bearer [A-Za-z0-9_-]{20,}$/.test(authorization)) throw new Fault(400, 6003, "Invalid request headers");
    if (authorization !== `Bearer ${token}`) throw new Fault(403, 10000, "Authentication error");
    // …/api/resources/user/subresources/tokens/methods/verify/
    if (method === "GET" && path === "/client/v4/user/tokens/verify") {
      const expires = state.tokenExpires === null ? {} : { expires_on: state.tokenExpires };
      return { id: randomBytes(16).toString("hex"), status: "active", ...expires };
    }
    const [, zoneId, id] = /^\/client\/v4\/zones\/([^/]+)\/custom_certificates(?:\/([^/]+))?$/.exec(path) ?? [];
    if (zoneId !== zone) throw new Fault(403, 9109, "Unauthorized to access requested resource");
    const held = id === undefined ? null : (entries.get(id) ?? null);
    if (method === "PUT" && id === "prioritize") {
      for (const { id: which, priority } of priorities.parse(JSON.parse(body)).certificates) {
        const entry = entries.get(which);
        if (entry === undefined) throw new Fault(404, 1005, "Invalid certificate ID.");
        entries.set(which, { ...entry, priority });
      }
      return [...entries.values()].map(view);
    }
    if (id !== undefined && held === null) throw new Fault(404, 1005, "Invalid certificate ID.");
    if (method === "GET" && held !== null) return view(held);
    if (method === "POST" && id === undefined) {
      if (entries.size >= state.quota)
        throw new Fault(400, 1212, "You have reached the maximum number of custom certificates.");
      return store(check(parseUpload(body), null), null);
    }
    if (method === "PATCH" && held !== null) {
      const sent = parseUpload(body);
      if (sent.type !== undefined) throw new Fault(400, 1004, "The type of a custom certificate cannot be changed.");
      return store(check(sent, held), held.id);
    }
    if (method === "GET") {
      const size = Math.min(Number(query.get("per_page") ?? 20), pageSize);
      const from = (Number(query.get("page") ?? 1) - 1) * size;
      return {
        page: [...entries.values()].slice(from, from + size).map(view),
        pages: Math.max(1, Math.ceil(entries.size / size)),
      };
    }
    throw new Fault(405, 1001, "Method not allowed");
  }

  function store(entry: CloudflareEntry, replaced: string | null): unknown {
    refuseDuplicate(entry, replaced);
    if (replaced !== null) entries.delete(replaced);
    entries.set(entry.id, entry);
    return view(entry);
  }

  const api = await startApiFake((request): ApiReply => {
    try {
      const made = route(request);
      const listed = z.object({ page: z.array(z.unknown()), pages: z.number() }).safeParse(made);
      const result = listed.success
        ? { result: listed.data.page, result_info: { page: 1, total_pages: listed.data.pages } }
        : { result: made };
      return { status: 200, body: { success: true, errors: [], messages: [], ...result } };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return {
        status: error.status,
        body: { success: false, errors: [{ code: error.code, message: error.message }], messages: [], result: null },
      };
    }
  });
  return Object.assign(state, {
    ...api,
    zone,
    token,
    endpoint: `${api.origin}/client/v4`,
    certificates: () => [...entries.values()],
    remove: (id: string) => void entries.delete(id),
    edit(id: string, change: Partial<CloudflareEntry>) {
      const held = entries.get(id);
      if (held !== undefined) entries.set(id, { ...held, ...change });
    },
  });
}

/** What Cloudflare shows: neither the certificate nor its fingerprint. */
function view({ id, hosts, certificate, privateKey: _, ...entry }: CloudflareEntry): unknown {
  const leaf = parse(certificate);
  return {
    id,
    type: entry.type,
    hosts,
    issuer: leaf.issuer,
    signature: signatureOf({ certificate }),
    status: "active",
    bundle_method: entry.bundleMethod,
    priority: entry.priority,
    expires_on: leaf.validToDate.toISOString(),
    uploaded_on: new Date().toISOString(),
    modified_on: new Date().toISOString(),
  };
}

function signatureOf({ certificate }: { readonly certificate: string }): string {
  return /ecdsa/i.test(parse(certificate).signatureAlgorithm ?? "") ? "ECDSAWithSHA256" : "SHA256WithRSA";
}

function parseUpload(body: string): z.infer<typeof upload> {
  const parsed = upload.safeParse(JSON.parse(body));
  if (!parsed.success) throw new Fault(400, 1004, "Failed to parse the request");
  return parsed.data;
}

function parse(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new Fault(400, 1002, "The certificate could not be parsed.");
  }
}

function key(pem: string): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new Fault(400, 1003, "The private key could not be parsed.");
  }
}
