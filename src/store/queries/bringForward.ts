import type { CertificateStore } from "../../domain/store.ts";
import type { Db } from "../schema.ts";
import { vantageStore } from "./vantages.ts";

/** After an interval was shortened, what was put off by the longer one is due by the new one. */
export async function bringForward(
  db: Db,
  { observationBy, rehearsalBy }: Parameters<CertificateStore["bringForward"]>[0],
): Promise<void> {
  await vantageStore(db).bringForward(observationBy);
  for (const [column, at] of [
    ["nextObservationAt", observationBy],
    ["nextRehearsalAt", rehearsalBy],
  ] as const) {
    if (at === null) continue;
    const later = db
      .updateTable("certificates")
      .set({ [column]: at })
      .where(column, ">", at);
    await later.where("removedAt", "is", null).execute();
  }
}
