import { MANAGEMENT } from "../../renewal/rules/unmanaged.ts";
import type { InventoryRow } from "../inventory.ts";
import type { List } from "./list.ts";

/** What discovery has found, one row per certificate. */
export const inventoryList: List<InventoryRow> = {
  name: "inventory",
  columns: [
    { key: "fingerprint", title: "Fingerprint", value: ({ fingerprint }) => fingerprint },
    { key: "names", title: "Names", value: ({ names }) => names.join(" ") },
    { key: "issuer", title: "Issuer", value: ({ issuer }) => issuer },
    { key: "serial", title: "Serial", value: ({ serial }) => serial },
    { key: "keyType", title: "Key", value: ({ keyType }) => keyType },
    { key: "notAfter", title: "Ends", value: ({ notAfter }) => notAfter },
    { key: "management", title: "Managed", value: ({ management }) => management },
    { key: "certificate", title: "Certificate", value: ({ certificate }) => certificate },
    { key: "ignored", title: "Ignored", value: ({ ignored }) => ignored?.reason ?? null },
    { key: "firstSeen", title: "First seen", value: ({ firstSeen }) => firstSeen },
    { key: "lastSeen", title: "Last seen", value: ({ lastSeen }) => lastSeen },
    { key: "places", title: "Places", value: ({ places }) => places.map(({ place }) => place).join("; ") },
  ],
  facets: [
    {
      key: "managed",
      title: "Managed",
      values: ({ management, ignored }) => [management === "unmanaged" && ignored !== null ? "ignored" : management],
    },
    { key: "source", title: "Found by", values: ({ places }) => [...new Set(places.map(({ source }) => source))] },
    { key: "key", title: "Key", values: ({ keyType }) => [keyType] },
    { key: "spki", title: "Public key", values: ({ key }) => [key], isCounted: false },
  ],
  sorts: {
    worst: ({ management, ignored, notAfter }) =>
      (ignored === null ? MANAGEMENT.length - MANAGEMENT.indexOf(management) : MANAGEMENT.length + 1) * 1e13 +
      Date.parse(notAfter),
    ends: ({ notAfter }) => notAfter,
    name: ({ names, subject }) => names[0] ?? subject,
    seen: ({ firstSeen }) => firstSeen,
  },
  defaultSort: "worst",
  id: ({ fingerprint }) => fingerprint,
  text: ({ names, subject, issuer, serial, fingerprint, places }) => [
    ...names,
    ...[subject, issuer, serial, fingerprint],
    ...places.map(({ place }) => place),
  ],
};
