import { Secret } from "../../src/domain/secret.ts";
import type { Store } from "../../src/domain/store.ts";
import { acknowledge } from "../../src/renewal/operator/acknowledge.ts";
import { certificate, endpointStatus, NOW, renewal, sighting, version } from "../support/model/facts.ts";

const KEY = new Secret("the key");

/** One certificate that was renewed once, and its next renewal. */
export async function fillStore(store: Store): Promise<void> {
  const of = { at: NOW, certificate: "www", target: null };
  await store.transaction(async (tx) => {
    await tx.inventory.record([sighting()], NOW);
    await tx.inventory.saveRun({ source: "hosts", startedAt: NOW, finishedAt: NOW, found: 1, problems: [] });
    await tx.certificates.sync([certificate()], NOW);
    const added = { change: "added", targets: ["lb"] };
    await tx.events.append({ ...of, type: "certificate.configured", renewalId: null, detail: added });
    await tx.renewals.insert(renewal({ id: "r1" }));
    await tx.events.append({ ...of, type: "renewal.planned", renewalId: "r1", detail: {} });
    await tx.versions.insert(version({ verifiedAt: null }), KEY);
    await tx.events.append({ ...of, type: "version.issued", renewalId: "r1", detail: { generation: 1 } });
  });
  await store.transaction(async (tx) => {
    await tx.versions.markVerified("www", 1, NOW);
    await tx.renewals.update("r1", 0, { state: "succeeded", finishedAt: NOW, nextActionAt: null });
    await tx.events.append({ ...of, type: "renewal.succeeded", renewalId: "r1", detail: { generation: 1 } });
    await tx.renewals.insert(renewal({ id: "r2", generation: 2 }));
    await tx.events.append({ ...of, type: "renewal.planned", renewalId: "r2", detail: {} });
    await tx.accounts.create("ca", "https://ca.example/dir", KEY);
    await tx.challenges.put("token", "token.thumbprint", NOW + 9);
    const asked = { id: "p", selection: "all", issuer: null, deadline: NOW + 1, createdAt: NOW, endedAt: null };
    await tx.replacements.create(asked, [{ replacement: "p", certificate: "www", generation: 1, wave: 0 }]);
    const replacing = { replacement: "p", selection: "all" };
    await tx.events.append({ ...of, type: "certificate.replacing", renewalId: null, detail: replacing });
    await tx.drills.save({ id: "p", scenario: "revoked", startedAt: NOW, finishedAt: null, members: [] });
    const drilled = { drill: "p", scenario: "revoked", certificates: 0 };
    await tx.events.append({ ...of, certificate: null, type: "drill.started", renewalId: null, detail: drilled });
    const ended = { ends: NOW, begins: null, note: null, owner: null, runbook: null, checkedAt: NOW, problem: null };
    await tx.horizon.replace("target lb", [{ kind: "token", subject: "target lb", what: "token", ...ended }]);
    const broken = {
      brokenAt: NOW,
      problem: null,
      alert: null,
      notifiedAt: null,
      endedAt: null,
      outcome: null,
    } as const;
    const began = { certificate: "www", target: "lb", generation: 1, startedAt: NOW, by: null, withinMs: 1, step: 0 };
    const unanswered = { acknowledgedAt: null, acknowledgedBy: null, finishedAt: null };
    await tx.exercises.save({ id: "x", ...began, ...broken, ...unanswered });
    const exercised = { exercise: "x" };
    await tx.events.append({ ...of, target: "lb", type: "exercise.started", renewalId: null, detail: exercised });
    const answered = { state: "well", since: NOW, askedAt: NOW, failures: 0, problem: null } as const;
    await tx.peers.save({ name: "b", url: "https://b", everyMs: 1, ...answered, sweptAt: NOW, lastWellAt: NOW });
    await tx.definitions.write([{ name: "shop", definition: {} }], { seen: 0, at: NOW, by: "alice" });
    const defined = { change: "added", by: "alice" };
    await tx.events.append({
      ...of,
      certificate: "shop",
      type: "certificate.defined",
      renewalId: null,
      detail: defined,
    });
    await tx.deployments.want("www", ["lb"], 1);
    await tx.deployments.update("www", "lb", 0, { deployedGeneration: 1, receipt: { arn: "arn" } });
    await tx.events.append({ ...of, target: "lb", type: "deploy.succeeded", renewalId: "r1", detail: {} });
    await tx.leftTargets.add({ certificate: "www", target: "old", receipt: { file: "/x" }, leftAt: NOW });
    await tx.events.append({ ...of, target: "old", type: "target.left", renewalId: null, detail: {} });
    const noted = { subject: "www", kinds: ["red"], reason: "known", by: null, at: NOW, until: NOW + 1 };
    await acknowledge(tx, { ...noted, certificate: "www" });
    await tx.renewalInfos.watch("www", 1, NOW);
    const seen = { address: "::1", port: 443, sni: "www", at: NOW, durationMs: 1, served: null, problem: null };
    await tx.observations.record({ ...endpointStatus(), endpoint: "e" }, [seen]);
    const converged = { endpoint: "e", generation: 1 };
    await tx.events.append({ ...of, type: "verify.converged", renewalId: "r1", detail: converged });
  });
}
