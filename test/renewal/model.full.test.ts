import { openModelOnSqlite } from "./modelOnSqlite.ts";
import { modelTests } from "./modelTests.ts";

modelTests({ on: "SQLite", runs: 25, firstSeed: 16, open: openModelOnSqlite });
