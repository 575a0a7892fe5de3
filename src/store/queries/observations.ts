import type { EndpointStatus } from "../../domain/deployment.ts";
import type { Evidence, Observation } from "../../domain/endpoint.ts";
import type { ObservationStore } from "../../domain/store.ts";
import { atomically, type Db } from "../schema.ts";
import { readEach } from "./eachRow.ts";
import { evidenceJson, observationJson, readJson } from "./json.ts";

export function observationStore(db: Db): ObservationStore {
  const statuses = () => db.selectFrom("endpointStatuses").selectAll().orderBy("certificate").orderBy("endpoint");
  return {
    record: (status, observations, evidence = new Map()) =>
      atomically(db, (trx) => record(trx, status, observations, evidence)),
    async retry(certificate, generation) {
      await db
        .updateTable("endpointStatuses")
        .set({ roundEndedAt: null })
        .where("certificate", "=", certificate)
        .where("generation", "=", generation)
        .where("proved", "=", 0)
        .execute();
    },
    async statuses(certificate) {
      return (await statuses().where("certificate", "=", certificate).execute()).map(toStatus);
    },
    async allStatuses() {
      return (await statuses().execute()).map(toStatus);
    },
    async observations(certificate) {
      const query = db
        .selectFrom("observations")
        .select(["endpoint", "address", "body", "evidence"])
        .where("certificate", "=", certificate);
      return readEach(
        await query.orderBy("endpoint").orderBy("address").execute(),
        ({ endpoint, address, body, evidence }) => ({
          endpoint,
          observation: readJson(observationJson, body, `observation of ${endpoint} at ${address}`),
          evidence:
            evidence === null ? null : readJson(evidenceJson, evidence, `evidence of ${endpoint} at ${address}`),
        }),
      );
    },
  };
}

async function record(
  trx: Db,
  status: EndpointStatus,
  observations: readonly Observation[],
  evidence: ReadonlyMap<string, Evidence>,
): Promise<void> {
  const { certificate, endpoint, generation, roundEndedAt, errorCode, errorMessage } = status;
  const facts = { generation, proved: status.proved ? 1 : 0, roundEndedAt, errorCode, errorMessage };
  // The status comes first because this locks its row: two verifiers of one endpoint then write one after the other.
  await trx
    .insertInto("endpointStatuses")
    .values({ certificate, endpoint, ...facts })
    .onConflict((conflict) => conflict.columns(["certificate", "endpoint"]).doUpdateSet(facts))
    .execute();
  await trx
    .deleteFrom("observations")
    .where("certificate", "=", certificate)
    .where("endpoint", "=", endpoint)
    .execute();
  const byAddress = new Map(observations.map((observation) => [observation.address, observation]));
  for (const [address, observation] of byAddress) {
    const gathered = evidence.get(address);
    await trx
      .insertInto("observations")
      .values({
        ...{ certificate, endpoint, address, body: JSON.stringify(observation) },
        evidence: gathered === undefined ? null : JSON.stringify(gathered),
      })
      .execute();
  }
}

function toStatus(row: Omit<EndpointStatus, "proved"> & { proved: number }): EndpointStatus {
  return { ...row, proved: row.proved !== 0 };
}
