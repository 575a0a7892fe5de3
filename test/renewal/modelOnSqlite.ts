import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Secret } from "../../src/domain/secret.ts";
import { openStore, openVault } from "../../src/store/index.ts";
import { placeMigratedSqlite } from "../support/model/migratedSqlite.ts";
import type { ModelBench } from "./modelTests.ts";

export const openModelOnSqlite: ModelBench["open"] = async () => {
  const directory = await mkdtemp(join(tmpdir(), "renewd-model-"));
  const vault = await openVault({ key: new Secret(Buffer.alloc(32, 7).toString("base64")) });
  const file = join(directory, "model.sqlite");
  await placeMigratedSqlite(file);
  const store = await openStore({ kind: "sqlite", file }, vault, "model");
  const close = async (): Promise<void> => {
    await store.close();
    await rm(directory, { recursive: true });
  };
  return { store, close };
};
