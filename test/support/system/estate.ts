import type { Certificate, CertificateRecord } from "../../../src/domain/certificate.ts";
import type { Heartbeat } from "../../../src/domain/heartbeat.ts";
import { ROLES } from "../../../src/domain/role.ts";
import type { DeploymentPatch, Store } from "../../../src/domain/store.ts";
import type { Leaf } from "../../../src/domain/version.ts";
import { type StatusOptions, statusReport } from "../../../src/reports/status.ts";
import { certificate, DAY_MS, endpointStatus, heartbeat, NOW, version } from "../model/facts.ts";
import { configText, createInstallation } from "./installation.ts";

/** Certificates on a real store, written through its port, for tests of what people are shown. */
export interface Estate extends AsyncDisposable {
  readonly store: Store;
  /** A certificate that is issued, deployed and proved, then as the options say. */
  live(
    name: string,
    options?: { readonly record?: Partial<CertificateRecord>; readonly notAfter?: number },
  ): Promise<Certificate>;
  /** What `report` changes in a certificate's record once the planner's sync has made it. */
  patch(certificate: Certificate, record: Partial<CertificateRecord>): void;
  /** A further generation, issued and nothing more. */
  issue(name: string, generation: number, notAfter: number): Promise<void>;
  setDeployment(name: string, change: DeploymentPatch): Promise<void>;
  /** Every role runs, and reported just now, unless `beats` says otherwise. */
  report(
    certificates: readonly Certificate[],
    now?: number,
    options?: StatusOptions & { readonly beats?: readonly Heartbeat[] },
  ): ReturnType<typeof statusReport>;
}

export const ENDPOINT = "www.example.org@127.0.0.1:443";

export async function createEstate(): Promise<Estate> {
  const installation = await createInstallation(configText([]), { planned: false });
  const { store } = installation;
  const patches = new Map<string, Partial<CertificateRecord>>();
  const issue: Estate["issue"] = (name, generation, notAfter) =>
    installation.issue(version({ certificate: name, generation, leaf: leafUntil(notAfter) }));
  const patch: Estate["patch"] = ({ name }, record) => void patches.set(name, { nextCheckAt: NOW + DAY_MS, ...record });
  const setDeployment: Estate["setDeployment"] = async (name, change) => {
    const fence = (await store.deployments.get(name, "lb"))?.fence ?? 0;
    if (!(await store.deployments.update(name, "lb", fence, change)))
      throw new Error(`${name} has no deployment to lb`);
  };
  return {
    store,
    issue,
    patch,
    setDeployment,
    async live(name, { record = {}, notAfter = NOW + 80 * DAY_MS } = {}) {
      const made = certificate({ name });
      await issue(name, 1, notAfter);
      await store.deployments.want(name, made.targets, 1);
      await setDeployment(name, { deployedGeneration: 1, deployedAt: NOW - DAY_MS });
      await store.observations.record(endpointStatus({ certificate: name, endpoint: ENDPOINT }), []);
      patch(made, record);
      return made;
    },
    async report(
      certificates,
      now = NOW,
      { beats = ROLES.map((role) => heartbeat({ role, beatAt: now })), ...options } = {},
    ) {
      await store.health.forgetBeats({ before: Number.MAX_SAFE_INTEGER, after: Number.MAX_SAFE_INTEGER });
      await store.health.beat(beats);
      await store.certificates.sync(certificates, NOW);
      for (const [name, record] of patches) await store.certificates.update(name, record);
      return statusReport(store, certificates, now, options);
    },
    [Symbol.asyncDispose]: () => installation[Symbol.asyncDispose](),
  };
}

function leafUntil(notAfter: number): Leaf {
  return { ...version().leaf, notBefore: notAfter - 90 * DAY_MS, notAfter };
}
