import { openModelOnSqlite } from "./modelOnSqlite.ts";
import { modelTests } from "./modelTests.ts";

modelTests({ on: "SQLite", runs: 45, firstSeed: 16, open: openModelOnSqlite });
