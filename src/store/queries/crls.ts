import { CLOCK_SKEW_MAX_MS } from "../../domain/lease.ts";
import type { CrlStore } from "../../domain/revocation.ts";
import type { Db } from "../schema.ts";

export function crlStore(db: Db): CrlStore {
  return {
    async claim(url, { now, nextAt }) {
      // One statement, so that of several planners one fetches it.
      const result = await db
        .insertInto("crls")
        .values({ url, nextFetchAt: nextAt })
        .onConflict((conflict) =>
          conflict
            .column("url")
            .doUpdateSet({ nextFetchAt: nextAt })
            // No claim puts a list off further than `nextAt`: what is beyond was written by a wrong clock or somebody
            // else.
            .where((row) =>
              row.or([row("crls.nextFetchAt", "<=", now), row("crls.nextFetchAt", ">", nextAt + CLOCK_SKEW_MAX_MS)]),
            ),
        )
        .returning("url")
        .execute();
      return result.length === 1;
    },
    async postpone(url, nextAt) {
      await db.updateTable("crls").set({ nextFetchAt: nextAt }).where("url", "=", url).execute();
    },
    async forget(before) {
      await db.deleteFrom("crls").where("nextFetchAt", "<", before).execute();
    },
  };
}
