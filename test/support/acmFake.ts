// AWS Certificate Manager cannot run here, so this fake speaks its protocol (AWS JSON 1.1) to the real SDK, enforces its
// documented rules (acmRules.ts), and serves what it holds like an associated load balancer. No test framework in here: the
// demo uses it too.
import { randomUUID, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createSecureContext, createServer as createTlsServer, type SecureContext, type Server as TlsServer } from "node:tls";
import { readUsages } from "../../src/x509/keyUsage.ts";
import { readLeaf } from "../../src/x509/leaf.ts";
import { AcmFault, type AcmTag, algorithmOf, checkImport, checkReimport, type ImportedMaterial, mergeTags } from "./acmRules.ts";

export interface AcmFakeOptions {
  /** Imported certificates the account may hold; AWS's default is 2,500. */
  readonly quota?: number;
  /** Largest page of ListCertificates; AWS's is 1,000. */
  readonly pageSize?: number;
}

export interface AcmFake extends AsyncDisposable {
  readonly endpoint: string;
  readonly region: string;
  /** Port of the load balancer: serves every imported certificate by server name, from the moment of its import. */
  readonly tlsPort: number;
  /** Actions asked for so far, in order. */
  readonly actions: readonly string[];
  /** What is imported under each ARN. */
  certificates(): readonly { readonly arn: string; readonly certPem: string; readonly keyPem: string; readonly tags: Readonly<Record<string, string>> }[];
  /** Answers of the next calls of this action, one each; `hang` never answers, `reset` cuts the connection after acting. */
  disturb(action: string, ...disturbances: readonly Disturbance[]): void;
  /** No longer disturbs anything. */
  calm(): void;
  stop(): Promise<void>;
}

export type Disturbance = { readonly fault: string; readonly message?: string; readonly retryAfter?: number; readonly status?: number } | "hang" | "reset";

interface Entry extends ImportedMaterial {
  readonly arn: string;
  readonly tags: readonly AcmTag[];
  readonly importedAt: number;
  readonly context: SecureContext;
}

const REGION = "eu-central-1";
const ACCOUNT = "123456789012";
const BODY_BYTES_MAX = 4 * 1024 * 1024;

export async function startAcmFake(options: AcmFakeOptions = {}): Promise<AcmFake> {
  const entries = new Map<string, Entry>();
  const actions: string[] = [];
  const disturbances = new Map<string, Disturbance[]>();

  const operations: Readonly<Record<string, (input: Input) => unknown>> = {
    ImportCertificate: (input) => importCertificate(entries, input, options.quota ?? 2500),
    DescribeCertificate: (input) => ({ Certificate: describe(existing(entries, input)) }),
    ListTagsForCertificate: (input) => ({ Tags: existing(entries, input).tags }),
    AddTagsToCertificate(input) {
      const entry = existing(entries, input);
      entries.set(entry.arn, { ...entry, tags: mergeTags(entry.tags, input.Tags ?? []) });
      return {};
    },
    RemoveTagsFromCertificate(input) {
      const entry = existing(entries, input);
      const gone = new Set((input.Tags ?? []).map(({ Key }) => Key));
      entries.set(entry.arn, { ...entry, tags: entry.tags.filter(({ Key }) => !gone.has(Key)) });
      return {};
    },
    DeleteCertificate(input) {
      entries.delete(existing(entries, input).arn);
      return {};
    },
    ListCertificates: (input) => list([...entries.values()], input, options.pageSize ?? 1000),
  };

  const api = createServer((request, response) => {
    void answer(request, response).catch((error: unknown) => send(response, 500, { __type: "InternalFailure", message: String(error) }));
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const action = String(request.headers["x-amz-target"] ?? "").replace(/^CertificateManager\./, "");
    const body = await readBody(request);
    actions.push(action);
    const disturbance = disturbances.get(action)?.shift();
    if (disturbance === "hang") return;
    if (disturbance !== undefined && disturbance !== "reset") {
      const { fault, message, retryAfter, status } = disturbance;
      return send(response, status ?? 400, { __type: fault, message: message ?? fault }, retryAfter === undefined ? {} : { "retry-after": String(retryAfter) });
    }
    const operation = operations[action];
    try {
      checkSigned(request);
      if (operation === undefined) throw new AcmFault("UnknownOperationException", `no ${action}`);
      const output = operation(JSON.parse(body));
      if (disturbance === "reset") request.socket.destroy();
      else send(response, 200, output);
    } catch (error) {
      if (!(error instanceof AcmFault)) throw error;
      send(response, 400, { __type: error.type, message: error.message });
    }
  }

  const balancer = createTlsServer({
    SNICallback(name, done) {
      // The one imported last wins, as a listener's most recent certificate for a name would.
      const serving = [...entries.values()].filter((entry) => covers(entry, name)).sort((a, b) => b.importedAt - a.importedAt)[0];
      if (serving === undefined) done(new Error(`no certificate for ${name}`));
      else done(null, serving.context);
    },
  });
  balancer.on("secureConnection", (socket) => {
    socket.on("error", () => socket.destroy());
    socket.end();
  });

  const [apiPort, tlsPort] = await Promise.all([listen(api), listen(balancer)]);
  const stop = async (): Promise<void> => {
    api.closeAllConnections();
    await Promise.all([close(api), close(balancer)]);
  };
  return {
    endpoint: `http://127.0.0.1:${apiPort}`,
    region: REGION,
    tlsPort,
    actions,
    certificates: () =>
      [...entries.values()].map(({ arn, certPem, keyPem, tags }) => ({
        arn,
        certPem,
        keyPem,
        tags: Object.fromEntries(tags.map(({ Key, Value }) => [Key, Value ?? ""])),
      })),
    disturb: (action, ...more) => disturbances.set(action, [...(disturbances.get(action) ?? []), ...more]),
    calm: () => disturbances.clear(),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Members the operations read; ACM ignores none it does not know, but the SDK sends none. */
interface Input {
  readonly CertificateArn?: string;
  /** Blobs are base64 in JSON. */
  readonly Certificate?: string;
  readonly PrivateKey?: string;
  readonly CertificateChain?: string;
  readonly Tags?: readonly AcmTag[];
  readonly NextToken?: string;
  readonly MaxItems?: number;
  readonly Includes?: { readonly keyTypes?: readonly string[] };
}

function importCertificate(entries: Map<string, Entry>, input: Input, quota: number): unknown {
  const text = (blob: string | undefined): string => Buffer.from(blob ?? "", "base64").toString("utf8");
  const material = checkImport(text(input.Certificate), text(input.PrivateKey), input.CertificateChain === undefined ? null : text(input.CertificateChain));
  const held = input.CertificateArn === undefined ? null : existing(entries, input);
  if (held === null && entries.size >= quota)
    throw new AcmFault("LimitExceededException", "Cannot import more certificates: the limit of the account is reached.");
  if (held !== null) {
    if (input.Tags !== undefined) throw new AcmFault("ValidationException", "Tagging is not permitted on re-import.");
    checkReimport(held, material);
  }
  const arn = held?.arn ?? `arn:aws:acm:${REGION}:${ACCOUNT}:certificate/${randomUUID()}`;
  const tags = held?.tags ?? mergeTags([], input.Tags ?? []);
  const context = createSecureContext({ cert: material.certPem + material.chainPem.join(""), key: material.keyPem });
  entries.set(arn, { ...material, arn, tags, importedAt: Date.now(), context });
  return { CertificateArn: arn };
}

function existing(entries: ReadonlyMap<string, Entry>, { CertificateArn: arn = "" }: Input): Entry {
  if (!/^arn:[^:]+:acm:[^:]+:\d{12}:certificate\/.+$/.test(arn)) throw new AcmFault("InvalidArnException", `${arn} is no ARN`);
  const entry = entries.get(arn);
  if (entry === undefined) throw new AcmFault("ResourceNotFoundException", `Could not find certificate ${arn}.`);
  return entry;
}

function describe({ arn, certPem, importedAt }: Entry): unknown {
  const certificate = new X509Certificate(certPem);
  const usages = readUsages(certPem);
  const names = readLeaf(certPem).identifiers.map(({ value }) => value);
  return {
    CertificateArn: arn,
    Type: "IMPORTED",
    Status: "ISSUED",
    DomainName: names[0],
    SubjectAlternativeNames: names,
    Serial: certificate.serialNumber.toLowerCase().replace(/..(?!$)/g, "$&:"),
    // As AWS spells it here, unlike everywhere else.
    KeyAlgorithm: algorithmOf(certificate).replace("RSA_", "RSA-"),
    NotBefore: certificate.validFromDate.getTime() / 1000,
    NotAfter: certificate.validToDate.getTime() / 1000,
    ImportedAt: importedAt / 1000,
    KeyUsages: (usages.keyUsage ?? []).map((name) => ({ Name: KEY_USAGE[name] ?? "CUSTOM" })),
    ExtendedKeyUsages: (usages.extendedKeyUsage ?? []).map((OID) => ({ Name: EXTENDED_KEY_USAGE[OID] ?? "CUSTOM", OID })),
    InUseBy: [],
  };
}

const KEY_USAGE: Readonly<Record<string, string>> = {
  digitalSignature: "DIGITAL_SIGNATURE",
  keyEncipherment: "KEY_ENCIPHERMENT",
  dataEncipherment: "DATA_ENCIPHERMENT",
  keyAgreement: "KEY_AGREEMENT",
  nonRepudiation: "NON_REPUDIATION",
};
const EXTENDED_KEY_USAGE: Readonly<Record<string, string>> = {
  "1.3.6.1.5.5.7.3.1": "TLS_WEB_SERVER_AUTHENTICATION",
  "1.3.6.1.5.5.7.3.2": "TLS_WEB_CLIENT_AUTHENTICATION",
};

function list(entries: readonly Entry[], input: Input, pageSize: number): unknown {
  // Without the filter AWS lists RSA 1024 and 2048 only (API reference, Filters).
  const keyTypes = new Set(input.Includes?.keyTypes ?? ["RSA_1024", "RSA_2048"]);
  const all = entries.filter(({ certPem }) => keyTypes.has(algorithmOf(new X509Certificate(certPem))));
  const from = Number(input.NextToken ?? 0);
  const to = from + Math.min(input.MaxItems ?? pageSize, pageSize);
  return {
    CertificateSummaryList: all.slice(from, to).map(({ arn, certPem }) => {
      const names = readLeaf(certPem).identifiers.map(({ value }) => value);
      return {
        CertificateArn: arn,
        Type: "IMPORTED",
        DomainName: names[0],
        SubjectAlternativeNameSummaries: names.slice(0, 100),
        HasAdditionalSubjectAlternativeNames: names.length > 100,
      };
    }),
    ...(to < all.length && { NextToken: String(to) }),
  };
}

function covers({ certPem }: Entry, name: string): boolean {
  return new X509Certificate(certPem).checkHost(name) !== undefined;
}

/** A real service would verify the signature; here it must at least be one, for this service and region. */
function checkSigned(request: IncomingMessage): void {
  const authorization = request.headers.authorization ?? "";
  const scope = new RegExp(
    `^AWS4-HMAC-SHA256 Credential=[^/]+/\\d{8}/${REGION}/acm/aws4_request, SignedHeaders=[^,]*x-amz-target[^,]*, Signature=[0-9a-f]{64}$`,
  );
  if (!scope.test(authorization)) throw new AcmFault("IncompleteSignature", "The request is not signed with SigV4 for this region and service.");
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request) {
    body += chunk;
    if (body.length > BODY_BYTES_MAX) throw new Error("body too large");
  }
  return body;
}

function send(response: ServerResponse, status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { "content-type": "application/x-amz-json-1.1", "x-amzn-requestid": randomUUID(), ...headers });
  response.end(JSON.stringify(body));
}

async function listen(server: TlsServer | ReturnType<typeof createServer>): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

async function close(server: TlsServer | ReturnType<typeof createServer>): Promise<void> {
  const closed = once(server, "close");
  server.close();
  await closed;
}
