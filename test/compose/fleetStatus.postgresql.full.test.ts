import { Secret } from "../../src/domain/secret.ts";
import { openStore, openVault } from "../../src/store/index.ts";
import { startPostgres } from "../support/servers/postgres.ts";
import { fleetStatusTests } from "./fleetStatusTests.ts";

fleetStatusTests({
  on: "PostgreSQL",
  // Fewer than on SQLite: each statement is a round trip.
  runs: 3,
  steps: 40,
  async open() {
    await using starting = new AsyncDisposableStack();
    const postgres = starting.use(await startPostgres());
    const vault = await openVault({ key: new Secret(Buffer.alloc(32, 7).toString("base64")) });
    const url = await postgres.createMigratedDatabase();
    const store = await openStore({ kind: "postgresql", url }, vault, "model");
    starting.defer(() => store.close());
    const stack = starting.move();
    return { store, close: () => stack.disposeAsync() };
  },
});
