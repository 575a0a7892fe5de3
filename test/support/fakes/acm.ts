// AWS Certificate Manager cannot run here, so this fake speaks its protocol (AWS JSON 1.1) to the real SDK, enforces
// its documented rules (acmRules.ts), and serves what it holds like an associated load balancer. No test framework in
// here: the demo uses it too.
import { randomUUID, X509Certificate } from "node:crypto";
import { createSecureContext, createServer as createTlsServer, type SecureContext } from "node:tls";
import { readUsages } from "../../../src/x509/keyUsage.ts";
import { readLeaf } from "../../../src/x509/leaf.ts";
import { splitPem } from "../../../src/x509/pem.ts";
import { type AcmTag, algorithmOf, checkImport, checkReimport, type ImportedMaterial, mergeTags } from "./acmRules.ts";
import { AwsFault, type AwsServiceFake, close, jsonProtocol, listen, startAwsService } from "./aws.ts";

export interface AcmFakeOptions {
  /** The first is `region`; default: eu-central-1 alone. One endpoint answers for all of them. */
  readonly regions?: readonly string[];
  /** Imported certificates a region may hold; AWS's default is 2,500. */
  readonly quota?: number;
  /** Largest page of ListCertificates; AWS's is 1,000. */
  readonly pageSize?: number;
}

export interface AcmFake extends AwsServiceFake {
  readonly region: string;
  /** Port of the load balancer: serves every imported certificate by server name, from the moment of its import. */
  readonly tlsPort: number;
  /** As people import another pair under an ARN, or delete it. */
  replace(arn: string, pair: { readonly certPem: string; readonly keyPem: string } | null): void;
  /** What is imported under each ARN, in all regions. */
  certificates(): readonly {
    readonly arn: string;
    readonly certPem: string;
    readonly keyPem: string;
    readonly tags: Readonly<Record<string, string>>;
  }[];
}

interface Entry extends ImportedMaterial {
  readonly arn: string;
  readonly tags: readonly AcmTag[];
  readonly importedAt: number;
  readonly context: SecureContext;
}

const ACCOUNT = "123456789012";

type Entries = Map<string, Entry>;

export async function startAcmFake(options: AcmFakeOptions = {}): Promise<AcmFake> {
  const [region = "eu-central-1", ...others] = options.regions ?? [];
  const byRegion = new Map([region, ...others].map((name): [string, Entries] => [name, new Map()]));
  const all = (): Entry[] => [...byRegion.values()].flatMap((entries) => [...entries.values()]);

  const service = await startAwsService({
    service: "acm",
    regions: [...byRegion.keys()],
    protocol: jsonProtocol("CertificateManager"),
    operate(request) {
      const entries = byRegion.get(request.region);
      const operation = OPERATIONS[request.action];
      if (entries === undefined || operation === undefined)
        throw new AwsFault("UnknownOperationException", `no ${request.action}`);
      return operation({ entries, region: request.region, options }, JSON.parse(request.body));
    },
  });

  const balancer = createTlsServer({
    SNICallback(name, done) {
      // The one imported last wins, as a listener's most recent certificate for a name would.
      const serving = all()
        .filter((entry) => covers(entry, name))
        .sort((a, b) => b.importedAt - a.importedAt)[0];
      if (serving === undefined) done(new Error(`no certificate for ${name}`));
      else done(null, serving.context);
    },
  });
  balancer.on("secureConnection", (socket) => {
    socket.on("error", () => socket.destroy());
    socket.end();
  });

  const tlsPort = await listen(balancer);
  const stop = async (): Promise<void> => {
    await Promise.all([service.stop(), close(balancer)]);
  };
  return {
    ...service,
    region,
    tlsPort,
    certificates: () =>
      all().map(({ arn, certPem, keyPem, tags }) => ({
        arn,
        certPem,
        keyPem,
        tags: Object.fromEntries(tags.map(({ Key, Value }) => [Key, Value ?? ""])),
      })),
    replace(arn, pair) {
      const home = arn.split(":")[3] ?? "";
      const entries: Entries = byRegion.get(home) ?? new Map();
      if (pair === null) return void entries.delete(arn);
      const [leaf = "", ...chain] = splitPem(pair.certPem);
      const blob = (text: string): string => Buffer.from(text).toString("base64");
      const input = { CertificateArn: arn, Certificate: blob(leaf), PrivateKey: blob(pair.keyPem) };
      importCertificate(
        { entries, region: home, options },
        { ...input, ...(chain.length > 0 && { CertificateChain: blob(chain.join("")) }) },
      );
    },
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

interface Region {
  readonly entries: Entries;
  readonly region: string;
  readonly options: AcmFakeOptions;
}

const OPERATIONS: Readonly<Record<string, (region: Region, input: Input) => unknown>> = {
  ImportCertificate: importCertificate,
  DescribeCertificate: ({ entries }, input) => ({ Certificate: describe(existing(entries, input)) }),
  GetCertificate({ entries }, input) {
    const { certPem, chainPem } = existing(entries, input);
    return { Certificate: certPem, ...(chainPem.length > 0 && { CertificateChain: chainPem.join("") }) };
  },
  ListTagsForCertificate: ({ entries }, input) => ({ Tags: existing(entries, input).tags }),
  AddTagsToCertificate({ entries }, input) {
    const entry = existing(entries, input);
    entries.set(entry.arn, { ...entry, tags: mergeTags(entry.tags, input.Tags ?? []) });
    return {};
  },
  RemoveTagsFromCertificate({ entries }, input) {
    const entry = existing(entries, input);
    const gone = new Set((input.Tags ?? []).map(({ Key }) => Key));
    entries.set(entry.arn, { ...entry, tags: entry.tags.filter(({ Key }) => !gone.has(Key)) });
    return {};
  },
  DeleteCertificate({ entries }, input) {
    entries.delete(existing(entries, input).arn);
    return {};
  },
  ListCertificates: ({ entries, options }, input) => list([...entries.values()], input, options.pageSize ?? 1000),
};

function importCertificate({ entries, region, options }: Region, input: Input): unknown {
  const text = (blob: string | undefined): string => Buffer.from(blob ?? "", "base64").toString("utf8");
  const material = checkImport(
    text(input.Certificate),
    text(input.PrivateKey),
    input.CertificateChain === undefined ? null : text(input.CertificateChain),
  );
  const held = input.CertificateArn === undefined ? null : existing(entries, input);
  if (held === null && entries.size >= (options.quota ?? 2500))
    throw new AwsFault(
      "LimitExceededException",
      "Cannot import more certificates: the limit of the account is reached.",
    );
  if (held !== null) {
    if (input.Tags !== undefined) throw new AwsFault("ValidationException", "Tagging is not permitted on re-import.");
    checkReimport(held, material);
  }
  const arn = held?.arn ?? `arn:aws:acm:${region}:${ACCOUNT}:certificate/${randomUUID()}`;
  const tags = held?.tags ?? mergeTags([], input.Tags ?? []);
  const context = createSecureContext({ cert: material.certPem + material.chainPem.join(""), key: material.keyPem });
  entries.set(arn, { ...material, arn, tags, importedAt: Date.now(), context });
  return { CertificateArn: arn };
}

function existing(entries: Entries, { CertificateArn: arn = "" }: Input): Entry {
  if (!/^arn:[^:]+:acm:[^:]+:\d{12}:certificate\/.+$/.test(arn))
    throw new AwsFault("InvalidArnException", `${arn} is no ARN`);
  const entry = entries.get(arn);
  if (entry === undefined) throw new AwsFault("ResourceNotFoundException", `Could not find certificate ${arn}.`);
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
    ExtendedKeyUsages: (usages.extendedKeyUsage ?? []).map((OID) => ({
      Name: EXTENDED_KEY_USAGE[OID] ?? "CUSTOM",
      OID,
    })),
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
