import { openModelOnSqlite } from "./modelOnSqlite.ts";
import { modelTests } from "./modelTests.ts";

modelTests({ on: "SQLite", runs: 15, open: openModelOnSqlite });
