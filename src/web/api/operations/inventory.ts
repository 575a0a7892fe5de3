import { z } from "zod";
import { adoptFound, ignoreInventory, keyInInventory, listInventory } from "../../../actions/inventory.ts";
import { DISCOVERY_SOURCES } from "../../../domain/inventory.ts";
import { durationOption } from "../../../domain/writtenTime.ts";
import { adoptableOf } from "../../../reports/adoptFound.ts";
import { inTurn } from "../inTurn.ts";
import { operation } from "../operation.ts";
import { ignoreBody, reasonBody } from "./bodies.ts";
import { orNotFound } from "./subjects.ts";

const params = z.strictObject({
  fingerprint: z.string().min(6).max(100).describe("SHA-256 of the certificate, or its begin."),
});

/** What discovery has found. */
export const inventoryOperations = [
  operation({
    id: "getInventoryDocument",
    method: "get",
    path: "/documents/inventory",
    tag: "Documents",
    summary: "`renewd inventory --json`: every certificate that was found, with all its places.",
    query: z.strictObject({
      source: z.enum(DISCOVERY_SOURCES).optional().describe("Only what this source has seen."),
      expiring: z.string().max(40).optional().describe("Only what ends within this time, such as `30d`."),
      unmanaged: z.boolean().optional().describe("Only what nobody manages, without what is ignored."),
    }),
    answer: { document: "InventoryReport" },
    run: ({ web, query: { source = null, expiring, unmanaged = false } }) => {
      const expiringMs = expiring === undefined ? null : durationOption("expiring", expiring);
      return inTurn(web, () => listInventory(web, { source, expiringMs, unmanaged }));
    },
  }),
  operation({
    id: "getInventoryKey",
    method: "get",
    path: "/inventory/{fingerprint}/key",
    tag: "See",
    summary: "Everywhere the key of a certificate was ever seen: `renewd inventory key`.",
    params,
    answer: { document: "InventoryKeyReport" },
    run: ({ web, params: { fingerprint } }) => orNotFound(() => keyInInventory(web, fingerprint)),
  }),
  operation({
    id: "getAdoption",
    method: "get",
    path: "/inventory/{fingerprint}/adopt",
    tag: "See",
    summary: "What to merge into the configuration so that renewd manages it: `renewd inventory adopt`.",
    params,
    answer: { document: "AdoptReport" },
    run: ({ web, params: { fingerprint } }) =>
      orNotFound(() => adoptFound({ store: web.renewal.store }, fingerprint, adoptableOf(web.config()))),
  }),
  operation({
    id: "ignoreFound",
    method: "post",
    path: "/inventory/{fingerprint}/ignore",
    tag: "Act",
    summary: "Raise no alert about a certificate until an end date: `renewd inventory ignore`.",
    params,
    body: ignoreBody,
    answer: { document: "IgnoreReport" },
    run: ({ web, params: { fingerprint }, body: { until }, decision }) =>
      orNotFound(() => ignoreInventory(web, { fingerprint, until }, decision)),
  }),
  operation({
    id: "unignoreFound",
    method: "post",
    path: "/inventory/{fingerprint}/unignore",
    tag: "Act",
    summary: "Ignore it no longer.",
    params,
    body: reasonBody,
    answer: { document: "IgnoreReport" },
    run: ({ web, params: { fingerprint }, decision }) =>
      orNotFound(() => ignoreInventory(web, { fingerprint, until: null }, decision)),
  }),
];
