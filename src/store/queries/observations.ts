import type { Selectable } from "kysely";
import type { EndpointStatus } from "../../domain/deployment.ts";
import type { Evidence, Observation } from "../../domain/endpoint.ts";
import type { ObservationStore, ObservedAddress } from "../../domain/store.ts";
import { changeSealed, isIntact, withSeal } from "../rowSeal.ts";
import { atomically, type Db, type Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { readEach } from "./eachRow.ts";
import { evidenceJson, observationJson, readJson } from "./json.ts";

/**
 * What somebody else wrote is left out: such an endpoint counts as never dialled, and the next look replaces the row.
 */
export function observationStore(db: Db, vault: Vault): ObservationStore {
  const statuses = () => db.selectFrom("endpointStatuses").selectAll().orderBy("certificate").orderBy("endpoint");
  const observations = () => db.selectFrom("observations").selectAll().orderBy("endpoint").orderBy("address");
  return {
    record: (status, observations, evidence = new Map()) =>
      atomically(db, (trx) => record({ trx, vault }, status, observations, evidence)),
    retry: (certificate, generation) =>
      atomically(db, async (trx) => {
        const unproved = trx
          .selectFrom("endpointStatuses")
          .select("endpoint")
          .where("certificate", "=", certificate)
          .where("generation", "=", generation)
          .where("proved", "=", 0);
        for (const { endpoint } of await unproved.orderBy("endpoint").execute())
          await changeSealed(trx, vault, { table: "endpointStatuses", key: { certificate, endpoint } }, () =>
            trx
              .updateTable("endpointStatuses")
              .set({ roundEndedAt: null })
              .where("certificate", "=", certificate)
              .where("endpoint", "=", endpoint)
              .execute(),
          );
      }),
    async statuses(certificate) {
      return intactStatuses(vault, await statuses().where("certificate", "=", certificate).execute());
    },
    async allStatuses(names) {
      return intactStatuses(
        vault,
        await (names === undefined ? statuses() : statuses().where("certificate", "in", names)).execute(),
      );
    },
    async observations(certificate) {
      return observedAt(vault, await observations().where("certificate", "=", certificate).execute());
    },
    async allObservations(names) {
      const query = observations();
      return observedAt(vault, await (names === undefined ? query : query.where("certificate", "in", names)).execute());
    },
  };
}

async function record(
  { trx, vault }: { readonly trx: Db; readonly vault: Vault },
  status: EndpointStatus,
  observations: readonly Observation[],
  evidence: ReadonlyMap<string, Evidence>,
): Promise<void> {
  const { certificate, endpoint, generation, roundEndedAt, errorCode, errorMessage } = status;
  const facts = { generation, proved: status.proved ? 1 : 0, roundEndedAt, errorCode, errorMessage };
  const row = withSeal(vault, "endpointStatuses", { certificate, endpoint, ...facts });
  // The status comes first because this locks its row: two verifiers of one endpoint then write one after the other.
  await trx
    .insertInto("endpointStatuses")
    .values(row)
    .onConflict((conflict) => conflict.columns(["certificate", "endpoint"]).doUpdateSet({ ...facts, seal: row.seal }))
    .execute();
  await trx
    .deleteFrom("observations")
    .where("certificate", "=", certificate)
    .where("endpoint", "=", endpoint)
    .execute();
  const byAddress = new Map(observations.map((observation) => [observation.address, observation]));
  for (const [address, observation] of byAddress) {
    const gathered = evidence.get(address);
    const seen = {
      ...{ certificate, endpoint, address, body: JSON.stringify(observation) },
      evidence: gathered === undefined ? null : JSON.stringify(gathered),
    };
    await trx
      .insertInto("observations")
      .values(withSeal(vault, "observations", seen))
      .execute();
  }
}

export const OBSERVATION_COLUMNS = ["certificate", "endpoint", "address", "body", "evidence", "seal"] as const;

export function observedAt(vault: Vault, rows: readonly Schema["observations"][]): ObservedAddress[] {
  return readEach(
    rows.filter((row) => isIntact(vault, "observations", row)),
    ({ certificate, endpoint, address, body, evidence }) => ({
      certificate,
      endpoint,
      observation: readJson(observationJson, body, `observation of ${endpoint} at ${address}`),
      evidence: evidence === null ? null : readJson(evidenceJson, evidence, `evidence of ${endpoint} at ${address}`),
    }),
  );
}

export const STATUS_COLUMNS = [
  ...(["certificate", "endpoint", "generation", "proved"] as const),
  ...(["roundEndedAt", "errorCode", "errorMessage", "seal"] as const),
] as const;

export function intactStatuses(vault: Vault, rows: readonly StatusRow[]): EndpointStatus[] {
  return rows.filter((row) => isIntact(vault, "endpointStatuses", row)).map(toStatus);
}

type StatusRow = Selectable<Schema["endpointStatuses"]>;

function toStatus({ seal: _, ...row }: StatusRow): EndpointStatus {
  return { ...row, proved: row.proved !== 0 };
}
