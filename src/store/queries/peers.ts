import { z } from "zod";
import { PEER_STATES, type Peer, type PeerStore } from "../../domain/peer.ts";
import { isIntact, withSeal } from "../rowSeal.ts";
import type { Db, Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { readEach } from "./eachRow.ts";
import { readJson } from "./json.ts";

const instant = z.number().nullable();
const bodyJson: z.ZodType<Omit<Peer, "name">> = z.object({
  ...{ url: z.string(), everyMs: z.number(), state: z.enum(PEER_STATES), since: z.number(), askedAt: z.number() },
  ...{ failures: z.number(), problem: z.string().nullable(), sweptAt: instant, lastWellAt: instant },
});

export function peerStore(db: Db, vault: Vault): PeerStore {
  return {
    async save({ name, ...body }) {
      const row = withSeal(vault, "peers", { name, body: JSON.stringify(body) });
      await db
        .insertInto("peers")
        .values(row)
        .onConflict((conflict) => conflict.column("name").doUpdateSet(row))
        .execute();
    },
    async list() {
      const rows = await db.selectFrom("peers").selectAll().orderBy("name").execute();
      return readEach(
        rows.filter((row) => isIntact(vault, "peers", row)),
        toPeer,
      );
    },
    async keep(names) {
      const rows = await db.selectFrom("peers").select("name").execute();
      const gone = rows.map(({ name }) => name).filter((name) => !names.includes(name));
      for (const name of gone) await db.deleteFrom("peers").where("name", "=", name).execute();
    },
  };
}

function toPeer({ name, body }: Schema["peers"]): Peer {
  return { name, ...readJson(bodyJson, body, `peer ${name}`) };
}
