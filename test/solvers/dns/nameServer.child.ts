import { z } from "zod";
import { systemClock } from "../../../src/compose/clock.ts";
import { startNameServer } from "../../../src/compose/nameServer.ts";
import { openStore, openVault } from "../../../src/store/index.ts";

/** A process that serves a delegated zone from a store, as one with an acme role does. */
const schema = z.object({
  file: z.string(),
  masterKeyFile: z.string(),
  host: z.string(),
  zone: z.string(),
  /** Of the zone, with their addresses: resolvers believe the zone's own list more than its parent's. */
  nameServers: z.array(z.object({ name: z.string(), addresses: z.array(z.string()) })),
});
const { file, masterKeyFile, host, zone, nameServers } = schema.parse(JSON.parse(process.argv[2] ?? ""));
const vault = await openVault({ file: masterKeyFile });
const store = await openStore({ kind: "sqlite", file }, vault, `test/${process.pid}`);
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: console.error };
const zones = [{ name: zone, nameServers, caa: [] }];
await startNameServer(
  { store, log, clock: systemClock },
  { at: { hosts: [host], port: 53, zones }, note: (problem) => problem && console.error(problem.message) },
);
console.log("ready");
