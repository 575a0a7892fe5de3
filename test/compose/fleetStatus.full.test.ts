import { fleetStatusTests } from "./fleetStatusTests.ts";

fleetStatusTests({ on: "SQLite", runs: 10, steps: 60 });
