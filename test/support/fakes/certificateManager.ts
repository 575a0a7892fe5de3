// Google's Certificate Manager cannot be used here, so this fake enforces what Google documents of it:
// cloud.google.com/certificate-manager/docs/reference/certificate-manager/rest/v1/projects.locations.certificates
// (create, get, patch with updateMask, output-only pemCertificate, the key is never shown),
// …/resource-manager/docs/labels-overview, and long-running operations (google.aip.dev/151).
import { createPrivateKey, randomUUID, X509Certificate } from "node:crypto";
import { z } from "zod";
import { splitPem } from "../../../src/x509/pem.ts";
import type { ApiRequest } from "./api.ts";
import { type GoogleFake, GoogleFault, startGoogleFake } from "./google.ts";

export interface GoogleCertificate {
  readonly pemCertificate: string;
  readonly pemPrivateKey: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly scope: string;
  readonly managed: boolean;
}

export interface CertificateManagerFake extends GoogleFake {
  readonly certificates: Map<string, GoogleCertificate>;
  /** How often an operation must be asked for before it is done. */
  polls: number;
}

const certificate = z.strictObject({
  name: z.string().optional(),
  scope: z.unknown().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  selfManaged: z.strictObject({ pemCertificate: z.string(), pemPrivateKey: z.string() }).optional(),
});
type Sent = z.infer<typeof certificate>;

export async function startCertificateManagerFake(): Promise<CertificateManagerFake> {
  const certificates = new Map<string, GoogleCertificate>();
  const operations = new Map<string, { left: number; readonly result: object }>();
  const state = { polls: 0 };

  function operation(parent: string, act: () => void): unknown {
    const result = ((): object => {
      try {
        act();
        return { response: { "@type": "type.googleapis.com/google.cloud.certificatemanager.v1.Certificate" } };
      } catch (error) {
        // What is wrong with a certificate is found by the operation, not by the request.
        if (!(error instanceof GoogleFault)) throw error;
        return { error: { code: 3, message: error.message } };
      }
    })();
    const name = `${parent}/operations/operation-${randomUUID()}`;
    operations.set(name, { left: state.polls, result });
    return poll(name);
  }

  function poll(name: string): unknown {
    const running = operations.get(name);
    if (running === undefined) throw new GoogleFault(404, "NOT_FOUND", `Operation ${name} was not found.`);
    const done = running.left === 0;
    running.left = Math.max(0, running.left - 1);
    return { name, done, ...(done && running.result) };
  }

  function create(parent: string, id: string, sent: Sent): unknown {
    if (!/^[a-z][a-z0-9_-]{0,62}$/.test(id))
      throw new GoogleFault(400, "INVALID_ARGUMENT", `Invalid resource id ${id}.`);
    const name = `${parent}/certificates/${id}`;
    if (certificates.has(name)) throw new GoogleFault(409, "ALREADY_EXISTS", `Resource '${name}' already exists`);
    const { selfManaged } = sent;
    if (selfManaged === undefined)
      throw new GoogleFault(400, "INVALID_ARGUMENT", "self_managed or managed must be set.");
    const labels = checkLabels(sent.labels ?? {});
    return operation(parent, () => {
      check(selfManaged);
      certificates.set(name, { ...selfManaged, labels, scope: String(sent.scope ?? "DEFAULT"), managed: false });
    });
  }

  function patch(name: string, mask: string, sent: Sent): unknown {
    const held = certificates.get(name);
    if (held === undefined) throw new GoogleFault(404, "NOT_FOUND", `Resource '${name}' was not found`);
    const paths = mask.split(",");
    const unknown = paths.filter((path) => !["selfManaged", "self_managed", "labels", "description"].includes(path));
    if (mask === "" || unknown.length > 0)
      throw new GoogleFault(400, "INVALID_ARGUMENT", `Invalid update mask: ${mask}`);
    const withPair = paths.some((path) => path.startsWith("self"));
    if (withPair && held.managed)
      throw new GoogleFault(400, "FAILED_PRECONDITION", "A managed certificate cannot become a self-managed one.");
    const labels = paths.includes("labels") ? checkLabels(sent.labels ?? {}) : held.labels;
    const { selfManaged } = sent;
    if (withPair && selfManaged === undefined)
      throw new GoogleFault(400, "INVALID_ARGUMENT", "self_managed must be set.");
    return operation(name.replace(/\/certificates\/.*/, ""), () => {
      if (withPair && selfManaged !== undefined) check(selfManaged);
      certificates.set(name, { ...held, labels, ...(withPair && selfManaged) });
    });
  }

  function shown(name: string): object {
    const held = certificates.get(name);
    if (held === undefined) throw new GoogleFault(404, "NOT_FOUND", `Resource '${name}' was not found`);
    const kind = held.managed ? { managed: { domains: ["www.test"] } } : { selfManaged: {} };
    return { name, labels: held.labels, pemCertificate: held.pemCertificate, ...kind };
  }

  function route({ method, path, query, body }: ApiRequest, permit: (permission: string) => void): unknown {
    const name = path.replace(/^\/v1\//, "");
    if (name.includes("/operations/")) return poll(name);
    if (method === "POST" && name.endsWith("/certificates")) {
      permit("certificatemanager.certs.create");
      return create(
        name.replace(/\/certificates$/, ""),
        query.get("certificateId") ?? "",
        certificate.parse(JSON.parse(body)),
      );
    }
    if (method === "PATCH") {
      permit("certificatemanager.certs.update");
      return patch(name, query.get("updateMask") ?? "", certificate.parse(JSON.parse(body)));
    }
    if (name.endsWith("/certificates")) {
      permit("certificatemanager.certs.list");
      const names = [...certificates.keys()].filter((each) => each.startsWith(`${name}/`));
      // One a page, as Google may at any time answer with fewer than were asked for.
      const from = Number(query.get("pageToken") ?? "0");
      return {
        certificates: names.slice(from, from + 1).map(shown),
        nextPageToken: from + 1 < names.length ? String(from + 1) : "",
      };
    }
    permit("certificatemanager.certs.get");
    return shown(name);
  }

  const google = await startGoogleFake(route);
  return Object.assign(state, { ...google, certificates });
}

function check({
  pemCertificate,
  pemPrivateKey,
}: {
  readonly pemCertificate: string;
  readonly pemPrivateKey: string;
}): void {
  const [leafPem] = splitPem(pemCertificate);
  if (leafPem === undefined) throw new GoogleFault(400, "INVALID_ARGUMENT", "The certificate data is invalid.");
  const leaf = new X509Certificate(leafPem);
  if (!leaf.checkPrivateKey(createPrivateKey(pemPrivateKey)))
    throw new GoogleFault(400, "INVALID_ARGUMENT", "The private key does not match the certificate.");
  if (leaf.validToDate.getTime() < Date.now())
    throw new GoogleFault(400, "INVALID_ARGUMENT", "The certificate has expired.");
}

function checkLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(labels);
  if (entries.length > 64) throw new GoogleFault(400, "INVALID_ARGUMENT", "At most 64 labels are allowed.");
  for (const [key, value] of entries) {
    if (!/^[a-z][a-z0-9_-]{0,62}$/.test(key) || !/^[a-z0-9_-]{0,63}$/.test(value))
      throw new GoogleFault(400, "INVALID_ARGUMENT", `Invalid label: ${key}=${value}`);
  }
  return labels;
}
