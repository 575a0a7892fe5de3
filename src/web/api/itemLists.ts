import type { z } from "zod";
import type { List } from "../../reports/lists/list.ts";
import type { ReplacementEntry } from "../../reports/replacements.ts";
import type { issuerItem, observationItem, targetItem, versionItem } from "./schemas.ts";

/** Lists that only the API has as such: their rows are its items. */

export const targetList: List<z.output<typeof targetItem>> = {
  name: "api targets",
  columns: [],
  facets: [
    { key: "type", title: "Type", values: ({ type }) => [type] },
    { key: "agent", title: "With an agent", values: ({ agent }) => [agent ? "yes" : "no"] },
    {
      key: "state",
      title: "State",
      values: ({ behind, failing }) => [...(failing > 0 ? ["failing"] : []), ...(behind > 0 ? ["behind"] : [])],
    },
  ],
  sorts: {
    target: ({ target }) => target,
    certificates: ({ certificates }) => certificates,
    failing: ({ failing }) => failing,
  },
  defaultSort: "target",
  id: ({ target }) => target,
  text: ({ target, type }) => [target, type],
};

export const versionList: List<z.output<typeof versionItem>> = {
  name: "api versions",
  columns: [],
  facets: [
    { key: "issuer", title: "Issuer", values: ({ issuer }) => [issuer] },
    { key: "proved", title: "Proved live", values: ({ provedAt }) => [provedAt === null ? "no" : "yes"] },
    { key: "revoked", title: "Revoked", values: ({ revokedAt }) => [revokedAt === null ? "no" : "yes"] },
  ],
  sorts: { generation: ({ generation }) => generation, expires: ({ notAfter }) => notAfter },
  defaultSort: "-generation",
  id: ({ generation }) => String(generation),
  text: ({ serial, fingerprint, names, issuedBy }) => [serial, fingerprint, issuedBy, ...names],
};

export const observationList: List<z.output<typeof observationItem>> = {
  name: "api observations",
  columns: [],
  facets: [
    { key: "endpoint", title: "Endpoint", values: ({ endpoint }) => [endpoint] },
    { key: "problem", title: "Problem", values: ({ problem }) => [problem?.code ?? "none"] },
  ],
  sorts: { endpoint: ({ endpoint }) => endpoint, at: ({ at }) => at, duration: ({ durationMs }) => durationMs },
  defaultSort: "endpoint",
  id: ({ endpoint, address }) => `${endpoint} ${address}`,
  text: ({ endpoint, address, sni, served }) => [endpoint, address, sni, served?.serial ?? ""],
};

export const replacementList: List<ReplacementEntry> = {
  name: "api replacements",
  columns: [],
  facets: [
    {
      key: "state",
      title: "State",
      values: ({ cancelled, done, certificates }) => [
        cancelled ? "cancelled" : done === certificates ? "done" : "running",
      ],
    },
  ],
  sorts: { started: ({ startedAt }) => startedAt, deadline: ({ deadline }) => deadline },
  defaultSort: "-started",
  id: ({ id }) => id,
  text: ({ id, selection }) => [id, selection],
};

export const issuerList: List<z.output<typeof issuerItem>> = {
  name: "api issuers",
  columns: [],
  facets: [{ key: "distrusted", title: "Distrusted", values: ({ distrusted }) => [distrusted ? "yes" : "no"] }],
  sorts: { issuer: ({ issuer }) => issuer, certificates: ({ certificates }) => certificates },
  defaultSort: "issuer",
  id: ({ issuer }) => issuer,
  text: ({ issuer, directory }) => [issuer, directory],
};
