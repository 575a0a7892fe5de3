// docs.aws.amazon.com/Route53/latest/APIReference (2013-04-01): REST with XML, signed with AWS Signature Version 4.
import type { ApiReply } from "../api.ts";
import { add, type Dialect, type FakeZone, type World } from "./world.ts";

export const ACCESS_KEY = "AKIAEXAMPLEOFTESTS01";
const NS = 'xmlns="https://route53.amazonaws.com/doc/2013-04-01/"';
const xml = (root: string, inner: string, status = 200): ApiReply => ({
  status,
  headers: { "content-type": "text/xml" },
  body: `<?xml version="1.0" encoding="UTF-8"?><${root} ${NS}>${inner}</${root}>`,
});
const fault = (status: number, code: string, message: string): ApiReply =>
  xml("ErrorResponse", `<Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error>`, status);
const inside = (text: string, tag: string): string[] =>
  [...text.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, "gs"))].map(([, inner = ""]) => inner);
const decoded = (text: string): string =>
  text.replaceAll("&quot;", '"').replaceAll("&#34;", '"').replaceAll("&apos;", "'");
const at = (zone: FakeZone, name: string) => zone.records.filter((one) => one.type === "TXT" && one.name === name);

export interface Route53Rules {
  /** Of the last change: whether all name servers have it. */
  inSync: boolean;
}

export function route53Dialect(rules: Route53Rules): Dialect {
  return {
    authorize({ headers }) {
      const right = String(headers.authorization).startsWith(`AWS4-HMAC-SHA256 Credential=${ACCESS_KEY}/`);
      return right
        ? null
        : fault(403, "InvalidClientTokenId", "The security token included in the request is invalid.");
    },
    answer({ method, path, query, body }, world) {
      const [, , kind, id = "", rrset] = path.split("/");
      if (kind === "change") {
        const status = rules.inSync ? "INSYNC" : "PENDING";
        return xml("GetChangeResponse", `<ChangeInfo><Id>/change/${id}</Id><Status>${status}</Status></ChangeInfo>`);
      }
      if (kind !== "hostedzone") return undefined;
      if (id === "") return list(world, Number(query.get("marker") ?? 0));
      const zone = world.zones.find((one) => one.id === id);
      if (zone === undefined) return fault(404, "NoSuchHostedZone", `No hosted zone found with ID: ${id}`);
      if (!rrset?.startsWith("rrset")) {
        const servers = "<NameServer>ns-1.awsdns-01.org</NameServer><NameServer>ns-2.awsdns-02.com</NameServer>";
        const inner = `<HostedZone><Id>/hostedzone/${id}</Id><Name>${zone.name}.</Name></HostedZone>`;
        return xml(
          "GetHostedZoneResponse",
          `${inner}<DelegationSet><NameServers>${servers}</NameServers></DelegationSet>`,
        );
      }
      if (method === "GET" && query.get("maxitems") === null) return allSets(zone, query.get("name"));
      if (method === "GET") return sets(zone, query.get("name") ?? "");
      return change(world, zone, decoded(body));
    },
  };
}

function list({ zones }: World, start: number): ApiReply {
  const shown = zones
    .slice(start, start + 2)
    .map(
      ({ id, name }) =>
        `<HostedZone><Id>/hostedzone/${id}</Id><Name>${name}.</Name><CallerReference>x</CallerReference>` +
        `<Config><PrivateZone>${name === "two.example"}</PrivateZone></Config></HostedZone>`,
    );
  const isTruncated = start + 2 < zones.length;
  const next = isTruncated ? `<NextMarker>${start + 2}</NextMarker>` : "";
  const inner = `<HostedZones>${shown.join("")}</HostedZones><IsTruncated>${isTruncated}</IsTruncated>${next}`;
  return xml("ListHostedZonesResponse", `${inner}<MaxItems>2</MaxItems>`);
}

/** One a page: the list may end before its greatest length. */
function allSets(zone: FakeZone, start: string | null): ApiReply {
  const from = start === null ? 0 : zone.records.findIndex(({ name }) => `${name}.` === start);
  const [one, next] = zone.records.slice(from);
  const set = one === undefined ? "" : `<Name>${one.name}.</Name><Type>${one.type}</Type><TTL>${one.ttl}</TTL>`;
  const inner = `<ResourceRecordSets><ResourceRecordSet>${set}</ResourceRecordSet></ResourceRecordSets>`;
  const more =
    next === undefined
      ? "<IsTruncated>false</IsTruncated>"
      : `<IsTruncated>true</IsTruncated><NextRecordName>${next.name}.</NextRecordName><NextRecordType>${next.type}</NextRecordType>`;
  return xml("ListResourceRecordSetsResponse", `${inner}${more}<MaxItems>300</MaxItems>`);
}

/** From a name on: the next set follows when there is none at the name. */
function sets(zone: FakeZone, start: string): ApiReply {
  const found = at(zone, start);
  const values = found.map((one) => `<ResourceRecord><Value>"${one.value}"</Value></ResourceRecord>`).join("");
  const set =
    found.length > 0
      ? `<Name>${start}.</Name><Type>TXT</Type><TTL>${found[0]?.ttl}</TTL><ResourceRecords>${values}</ResourceRecords>`
      : `<Name>zzz.${zone.name}.</Name><Type>TXT</Type><TTL>60</TTL><ResourceRecords><ResourceRecord><Value>"other"</Value></ResourceRecord></ResourceRecords>`;
  const inner = `<ResourceRecordSets><ResourceRecordSet>${set}</ResourceRecordSet></ResourceRecordSets>`;
  return xml("ListResourceRecordSetsResponse", `${inner}<IsTruncated>false</IsTruncated><MaxItems>1</MaxItems>`);
}

function change(world: World, zone: FakeZone, body: string): ApiReply {
  const [action = ""] = inside(body, "Action");
  const name = (inside(body, "Name")[0] ?? "").replace(/\.$/, "");
  const [ttl = "0"] = inside(body, "TTL");
  const values = inside(body, "Value");
  const present = at(zone, name);
  const invalid = (message: string): ApiReply => fault(400, "InvalidChangeBatch", message);
  if (values.some((value) => !/^"[^"]*"$/.test(value))) return invalid("InvalidCharacterString: values must be quoted");
  const plain = values.map((value) => value.slice(1, -1));
  if (action === "DELETE") {
    const same = plain.join() === present.map(({ value }) => value).join() && Number(ttl) === present[0]?.ttl;
    if (!same) return invalid("Tried to delete resource record set but the values provided do not match");
  } else if (action !== "UPSERT") return invalid(`unexpected action ${action}`);
  zone.records = zone.records.filter((one) => !present.includes(one));
  if (action === "UPSERT") for (const value of plain) add(world, zone, { name, type: "TXT", value, ttl: Number(ttl) });
  const info = "<Id>/change/C1</Id><Status>PENDING</Status><SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt>";
  return xml("ChangeResourceRecordSetsResponse", `<ChangeInfo>${info}</ChangeInfo>`);
}
