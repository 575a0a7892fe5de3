import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/**
 * Whoever asks for events of one type of one certificate reads these alone, however many others it has; those that are
 * too old are told apart in the index.
 */
export function eventsOfACertificate(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createIndex("events_by_certificate_and_type")
        .on("events")
        .columns(["certificate", "type", "seq", "at"])
        .execute();
    },
  };
}
