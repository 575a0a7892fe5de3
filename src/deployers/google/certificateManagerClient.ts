import { setTimeout as delay } from "node:timers/promises";
import type { CertificateManagerClient } from "@google-cloud/certificate-manager";
import { RenewalError } from "../../domain/errors.ts";
import type { Secret } from "../../domain/secret.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { optionalPackage } from "../base/optionalPackage.ts";
import { sanitizeAnswer } from "../base/sanitizeAnswer.ts";
import { callGoogle, clientOptions, type GoogleAccess, googleStatus, ONCE } from "./client.ts";

/** What Certificate Manager shows of a certificate. */
export interface ManagedCertificate {
  readonly selfManaged: boolean;
  readonly certificatePem: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface CertificateWrite {
  /** `projects/…/locations/…/certificates/…` */
  readonly name: string;
  readonly scope: "DEFAULT" | "EDGE_CACHE" | "ALL_REGIONS";
  readonly labels: Record<string, string>;
  /** Leaf first. */
  readonly certificate: string;
  readonly privateKey: Secret;
}

/** The calls renewd makes. Every failure is a RenewalError. No call is retried here: only `renewal/` decides that. */
export interface CertificateManager {
  /** null: there is no such certificate. */
  read(name: string, signal: AbortSignal): Promise<ManagedCertificate | null>;
  /** Every certificate of a location, at most 10,000. */
  list(parent: string, signal: AbortSignal): Promise<readonly (ManagedCertificate & { readonly name: string })[]>;
  create(write: CertificateWrite, signal: AbortSignal): Promise<void>;
  update(write: CertificateWrite, signal: AbortSignal): Promise<void>;
  label(
    request: { readonly name: string; readonly labels: Record<string, string> },
    signal: AbortSignal,
  ): Promise<void>;
}

const PAGE_SIZE = 100;
const LISTED_MAX = 10_000;

/** As Google's clients begin to poll; the whole wait is bounded by the call's timeout. */
const POLL_MS = 500;

export function createCertificateManager(
  access: GoogleAccess & { readonly timeoutMs: number },
  dependencies: DeployerDependencies,
): CertificateManager {
  async function call<T>(
    action: string,
    name: string,
    secrets: readonly Secret[],
    signal: AbortSignal,
    send: (client: CertificateManagerClient, until: AbortSignal) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    const what = `Google Certificate Manager: ${action} ${name}`;
    const run = async (until: AbortSignal): Promise<T> => {
      const { CertificateManagerClient: Client } = await optionalPackage(
        "@google-cloud/certificate-manager",
        () => import("@google-cloud/certificate-manager"),
      );
      const client = new Client(await clientOptions(access, dependencies));
      return await send(client, until);
    };
    return await callGoogle(
      { what, permission: `certificatemanager.certs.${action}`, timeoutMs: access.timeoutMs, secrets, run },
      signal,
    );
  }

  return {
    async read(name, signal) {
      return await call("get", name, [], signal, async (client) => {
        const answer = await client.getCertificate({ name }, ONCE).catch((error: unknown) => {
          if (googleStatus(error) === 404) return null;
          throw error;
        });
        const held = answer?.[0];
        if (held === undefined) return null;
        return {
          selfManaged: (held.managed ?? null) === null,
          certificatePem: held.pemCertificate ?? "",
          labels: held.labels ?? {},
        };
      });
    },
    async list(parent, signal) {
      return await call("list", parent, [], signal, async (client) => {
        const found: (ManagedCertificate & { readonly name: string })[] = [];
        for await (const held of client.listCertificatesAsync({ parent, pageSize: PAGE_SIZE }, ONCE)) {
          const selfManaged = (held.managed ?? null) === null;
          const { name, pemCertificate, labels } = held;
          found.push({ name: name ?? "", selfManaged, certificatePem: pemCertificate ?? "", labels: labels ?? {} });
          if (found.length >= LISTED_MAX) break;
        }
        return found;
      });
    },
    async create({ name, scope, labels, certificate, privateKey }, signal) {
      const [parent = "", certificateId = ""] = name.split("/certificates/");
      const selfManaged = { pemCertificate: certificate, pemPrivateKey: privateKey.reveal() };
      await call("create", name, [privateKey], signal, async (client, until) => {
        const [operation] = await client.createCertificate(
          { parent, certificateId, certificate: { scope, labels, selfManaged } },
          ONCE,
        );
        await finish(client, operation, { name, secrets: [privateKey] }, until);
      });
    },
    async update({ name, labels, certificate, privateKey }, signal) {
      const selfManaged = { pemCertificate: certificate, pemPrivateKey: privateKey.reveal() };
      await call("update", name, [privateKey], signal, async (client, until) => {
        const request = {
          certificate: { name, labels, selfManaged },
          updateMask: { paths: ["self_managed", "labels"] },
        };
        const [operation] = await client.updateCertificate(request, ONCE);
        await finish(client, operation, { name, secrets: [privateKey] }, until);
      });
    },
    async label({ name, labels }, signal) {
      await call("update", name, [], signal, async (client, until) => {
        const [operation] = await client.updateCertificate(
          { certificate: { name, labels }, updateMask: { paths: ["labels"] } },
          ONCE,
        );
        await finish(client, operation, { name, secrets: [] }, until);
      });
    },
  };
}

/** What there is to know of a long-running operation (https://google.aip.dev/151). */
interface Operation {
  readonly latestResponse: {
    readonly name?: string | null;
    readonly done?: boolean | null;
    readonly error?: { readonly message?: string | null } | null;
  };
}

/** A change is accepted first and applied later: only the end of its operation says whether it was applied. */
async function finish(
  client: CertificateManagerClient,
  started: Operation,
  { name, secrets }: { readonly name: string; readonly secrets: readonly Secret[] },
  signal: AbortSignal,
): Promise<void> {
  let operation = started;
  while (operation.latestResponse.done !== true) {
    await delay(POLL_MS, undefined, { signal });
    operation = await client.checkUpdateCertificateProgress(started.latestResponse.name ?? "");
  }
  const { error } = operation.latestResponse;
  if (error === null || error === undefined) return;
  throw new RenewalError(
    "deploy.refused",
    `Google Certificate Manager did not change ${name}: ` +
      `${sanitizeAnswer(error.message ?? "no reason given", ...secrets)}`,
  );
}
