// AWS IAM cannot run here, so this fake speaks its Query protocol to the real SDK and enforces the rules for server
// certificates: IAM API reference (UploadServerCertificate, ListServerCertificates, DeleteServerCertificate …), IAM
// user guide ("Manage server certificates", "IAM and AWS STS quotas").
import { createPrivateKey, X509Certificate } from "node:crypto";
import { splitPem } from "../../../src/x509/pem.ts";
import { AwsFault, type AwsServiceFake, queryProtocol, startAwsService } from "./aws.ts";

export interface IamFakeOptions {
  /** Server certificates the account may hold; AWS's default is 20. */
  readonly quota?: number;
  /** Largest page of ListServerCertificates; AWS's is 1,000. */
  readonly pageSize?: number;
}

export interface UploadedCertificate {
  readonly name: string;
  readonly path: string;
  readonly arn: string;
  readonly certPem: string;
  readonly keyPem: string;
  readonly chainPem: string;
  readonly tags: Readonly<Record<string, string>>;
}

export interface IamFake extends AwsServiceFake {
  /** In the order of upload. */
  certificates(): readonly UploadedCertificate[];
  /** A load balancer serves this one from now on, so that it cannot be deleted; null: it serves none. */
  attach(name: string | null): void;
  /** As people do it. */
  remove(name: string): void;
  removeTag(name: string, key: string): void;
  /** From now on new ones are not listed, as IAM is consistent only in the end; `false` again: all are. */
  listLate(late: boolean): void;
}

const REGION = "us-east-1";
const ACCOUNT = "123456789012";
const CHARS_MAX = { CertificateBody: 16_384, PrivateKey: 16_384, CertificateChain: 2_097_152 };

export async function startIamFake(options: IamFakeOptions = {}): Promise<IamFake> {
  const held = new Map<string, UploadedCertificate>();
  let listed: ReadonlySet<string> | null = null;
  let attached: string | null = null;
  const operations: Readonly<Record<string, (form: URLSearchParams) => unknown>> = {
    UploadServerCertificate: (form) => upload(held, form, options.quota ?? 20),
    GetServerCertificate(form) {
      const one = existing(held, form);
      const tags = Object.entries(one.tags).map(([Key, Value]) => ({ Key, Value }));
      return {
        ServerCertificate: {
          ServerCertificateMetadata: metadata(one),
          CertificateBody: one.certPem,
          CertificateChain: one.chainPem,
          Tags: tags,
        },
      };
    },
    ListServerCertificates: (form) =>
      list(
        [...held.values()].filter(({ name }) => listed === null || listed.has(name)),
        form,
        options.pageSize ?? 1000,
      ),
    DeleteServerCertificate(form) {
      const { name } = existing(held, form);
      if (name === attached)
        throw new AwsFault(
          "DeleteConflict",
          `Certificate: ${name} is currently in use by arn:aws:elasticloadbalancing. Please remove it first.`,
          409,
        );
      held.delete(name);
      return {};
    },
  };
  const service = await startAwsService({
    service: "iam",
    regions: [REGION],
    protocol: queryProtocol("https://iam.amazonaws.com/doc/2010-05-08/"),
    operate({ action, body }) {
      const form = new URLSearchParams(body);
      const operation = operations[action];
      if (operation === undefined || form.get("Version") !== "2010-05-08")
        throw new AwsFault("InvalidAction", `no ${action} in this version`);
      return operation(form);
    },
  });
  return {
    ...service,
    certificates: () => [...held.values()],
    attach(name) {
      attached = name;
    },
    remove: (name) => void held.delete(name),
    removeTag(name, key) {
      const one = held.get(name);
      if (one !== undefined)
        held.set(name, { ...one, tags: Object.fromEntries(Object.entries(one.tags).filter(([tag]) => tag !== key)) });
    },
    listLate(late) {
      listed = late ? new Set(held.keys()) : null;
    },
  };
}

function upload(held: Map<string, UploadedCertificate>, form: URLSearchParams, quota: number): unknown {
  const name = form.get("ServerCertificateName") ?? "";
  const path = form.get("Path") ?? "/";
  if (!/^[\w+=,.@-]{1,128}$/.test(name)) throw invalid("serverCertificateName");
  if (path.length > 512 || !/^\/$|^\/[!-\x7f]+\/$/.test(path)) throw invalid("path");
  for (const [parameter, max] of Object.entries(CHARS_MAX)) {
    if ((form.get(parameter)?.length ?? 0) > max)
      throw invalid(parameter, `Member must have length less than or equal to ${max}`);
  }
  const [certPem, keyPem, chainPem] = [
    form.get("CertificateBody") ?? "",
    form.get("PrivateKey") ?? "",
    form.get("CertificateChain") ?? "",
  ];
  checkMaterial(certPem, keyPem, chainPem);
  if (held.has(name))
    throw new AwsFault("EntityAlreadyExists", `The Server Certificate with name ${name} already exists.`, 409);
  if (held.size >= quota)
    throw new AwsFault("LimitExceeded", `Cannot exceed quota for ServerCertificatesPerAccount: ${quota}`, 409);
  const one = {
    name,
    path,
    arn: `arn:aws:iam::${ACCOUNT}:server-certificate${path}${name}`,
    certPem,
    keyPem,
    chainPem,
    tags: tagsOf(form),
  };
  held.set(name, one);
  return { ServerCertificateMetadata: metadata(one) };
}

/**
 * "Manage server certificates": PEM, one certificate in the body, its own unencrypted key, valid now, the chain in
 * order.
 */
function checkMaterial(certPem: string, keyPem: string, chainPem: string): void {
  if (splitPem(certPem).length !== 1)
    throw new AwsFault(
      "MalformedCertificate",
      "Unable to parse certificate. Please ensure the certificate is in PEM format.",
    );
  const leaf = new X509Certificate(certPem);
  const now = Date.now();
  if (leaf.validFromDate.getTime() > now || leaf.validToDate.getTime() <= now)
    throw new AwsFault("MalformedCertificate", "Certificate is not valid at this time.");
  if (!leaf.checkPrivateKey(parsedKey(keyPem)))
    throw new AwsFault("KeyPairMismatch", "The private key does not match the public key of the certificate.");
  let child = leaf;
  for (const pem of splitPem(chainPem)) {
    const parent = new X509Certificate(pem);
    if (!child.checkIssued(parent))
      throw new AwsFault(
        "MalformedCertificate",
        "Unable to validate certificate chain. The certificate chain must start with the immediate signing " +
          "certificate.",
      );
    child = parent;
  }
}

function parsedKey(pem: string): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new AwsFault(
      "MalformedCertificate",
      "Unable to parse key. Please ensure the key is in PEM format and unencrypted.",
    );
  }
}

/** Tags.member.1.Key=…&Tags.member.1.Value=… */
function tagsOf(form: URLSearchParams): Record<string, string> {
  const tags: Record<string, string> = {};
  for (let index = 1; form.has(`Tags.member.${index}.Key`); index++) {
    const [key, value] = [form.get(`Tags.member.${index}.Key`) ?? "", form.get(`Tags.member.${index}.Value`) ?? ""];
    if (!/^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/u.test(key) || !/^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u.test(value))
      throw invalid("tags");
    if (/^aws:/i.test(key)) throw new AwsFault("InvalidInput", "Tag keys must not begin with aws:");
    tags[key] = value;
  }
  if (Object.keys(tags).length > 50)
    throw new AwsFault("LimitExceeded", "The number of tags has reached the maximum limit.", 409);
  return tags;
}

/** Tags are not listed: "IAM resource-listing operations return a subset of the available attributes". */
function list(all: readonly UploadedCertificate[], form: URLSearchParams, pageSize: number): unknown {
  const prefix = form.get("PathPrefix") ?? "/";
  if (!/^\/$|^\/[!-\x7f]+\/$/.test(prefix)) throw invalid("pathPrefix");
  const asked = Number(form.get("MaxItems") ?? 100);
  if (!(asked >= 1 && asked <= 1000)) throw invalid("maxItems");
  const below = all.filter(({ path }) => path.startsWith(prefix));
  const from = Number(form.get("Marker") ?? 0);
  const to = from + Math.min(asked, pageSize);
  const truncated = to < below.length;
  return {
    ServerCertificateMetadataList: below.slice(from, to).map(metadata),
    IsTruncated: truncated,
    Marker: truncated ? to : undefined,
  };
}

function existing(held: ReadonlyMap<string, UploadedCertificate>, form: URLSearchParams): UploadedCertificate {
  const name = form.get("ServerCertificateName") ?? "";
  const one = held.get(name);
  if (one === undefined)
    throw new AwsFault("NoSuchEntity", `The Server Certificate with name ${name} cannot be found.`, 404);
  return one;
}

function metadata({ name, path, arn, certPem }: UploadedCertificate): unknown {
  const expiration = new X509Certificate(certPem).validToDate.toISOString();
  return {
    ServerCertificateName: name,
    Path: path,
    Arn: arn,
    ServerCertificateId: `ASCA${name.toUpperCase()}`,
    Expiration: expiration,
  };
}

function invalid(parameter: string, why = "Member must satisfy the pattern"): AwsFault {
  return new AwsFault(
    "ValidationError",
    `1 validation error detected: Value at '${parameter}' failed to satisfy constraint: ${why}`,
  );
}
