import type { Leaf } from "../../domain/version.ts";
import { STATES } from "../../reports/certificates.ts";
import type { CertificateRow } from "../../reports/lists/certificateRow.ts";
import { DEPLOYMENT_STATES, type DeploymentRow } from "../../reports/lists/deploymentList.ts";
import { ENDPOINT_STATES } from "../../reports/lists/endpointList.ts";
import type { Snapshot } from "../../reports/snapshot.ts";
import { labels, type Sample, type Scrape } from "./registry.ts";

/** About twenty series each. Of a larger fleet those that expire last are left out, and how many is a metric. */
export const CERTIFICATES_MAX = 10_000;
export const TARGETS_MAX = 500;
const ERROR_CODES_MAX = 200;

/** What exists, what clients get, and how far each is: instants, so that ratios and ages can be computed. */
export function certificateMetrics(scrape: Scrape, snapshot: Snapshot): void {
  const all = snapshot.certificates;
  const shown = all.length <= CERTIFICATES_MAX ? all : all.toSorted(byExpiry).slice(0, CERTIFICATES_MAX);
  const each = (value: (row: CertificateRow) => number | null): Iterable<Sample> =>
    mapped(shown, (row) => [{ labels: labels({ certificate: row.certificate }), value: value(row) }]);
  const { gauge } = scrape;
  gauge(
    "renewd_certificates",
    "Certificates of the configuration, by state.",
    count(STATES, all, "state", ({ state }) => state),
  );
  gauge(
    "renewd_metrics_certificates_dropped",
    "Certificates without series of their own here, as there are too many.",
    [{ labels: "", value: all.length - shown.length }],
  );
  gauge("renewd_certificate_info", "State, issuer and key type of a certificate; always 1.", mapped(shown, infoOf));
  gauge(
    "renewd_certificate_needs_person",
    "1 if a person has to do something about it.",
    each(({ needsPerson }) => (needsPerson ? 1 : 0)),
  );
  gauge(
    "renewd_certificate_not_before_timestamp_seconds",
    "Start of the latest version's validity.",
    each(({ life }) => seconds(life?.from)),
  );
  gauge(
    "renewd_certificate_not_after_timestamp_seconds",
    "End of the latest version's validity.",
    each(({ life }) => seconds(life?.to)),
  );
  gauge(
    "renewd_certificate_clients_until_timestamp_seconds",
    "When the first of what clients get expires: of what targets hold and endpoints serve.",
    each(({ expiresAt }) => seconds(expiresAt)),
  );
  gauge(
    "renewd_certificate_renewal_timestamp_seconds",
    "When its renewal is due, by its window or the CA's suggestion.",
    each(({ life }) => seconds(life?.suggested?.at ?? life?.dueAt)),
  );
  gauge(
    "renewd_certificate_next_action_timestamp_seconds",
    "When renewd does something about it again.",
    each(({ next }) => seconds(next.at)),
  );
  gauge(
    "renewd_certificate_proved_timestamp_seconds",
    "When handshakes last proved the latest version live.",
    each(({ provedAt }) => seconds(provedAt)),
  );
  gauge(
    "renewd_certificate_generation",
    "Generation by stage; the lowest of its targets and of its endpoints.",
    mapped(shown, ({ certificate, generations }) =>
      (["issued", "deployed", "observed"] as const).map((stage) => ({
        labels: labels({ certificate, stage }),
        value: generations[stage],
      })),
    ),
  );
  compatible(scrape, shown, snapshot);
}

/** With the names and labels of x509-certificate-exporter, so that its dashboards and alerts go on working. */
function compatible({ gauge }: Scrape, shown: readonly CertificateRow[], { byName, at }: Snapshot): void {
  const each = (value: (leaf: Leaf) => number | null): Iterable<Sample> =>
    mapped(shown, ({ certificate, names }) => {
      const leaf = byName.get(certificate)?.member.version?.leaf;
      if (leaf === undefined) return [];
      const text = labels({
        certificate,
        subject_CN: names[0] ?? "",
        issuer_CN: /CN=([^,\n]+)/.exec(leaf.issuerName)?.[1] ?? leaf.issuerName,
        serial_number: decimal(leaf.serial),
      });
      return [{ labels: text, value: value(leaf) }];
    });
  gauge(
    "x509_cert_not_before",
    "Start of the latest version's validity.",
    each(({ notBefore }) => seconds(notBefore)),
  );
  gauge(
    "x509_cert_not_after",
    "End of the latest version's validity.",
    each(({ notAfter }) => seconds(notAfter)),
  );
  gauge(
    "x509_cert_expired",
    "1 if the latest version has expired.",
    each(({ notAfter }) => (notAfter <= at ? 1 : 0)),
  );
}

/** Made one by one as the scrape is written, so that a large fleet is never there twice. */
function* mapped<Row>(rows: readonly Row[], samples: (row: Row) => readonly Sample[]): Generator<Sample> {
  for (const row of rows) yield* samples(row);
}

/** What handshakes and deployments last found. */
export function observationMetrics({ gauge }: Scrape, { endpoints, deployments }: Snapshot): void {
  gauge(
    "renewd_endpoints",
    "Endpoints by what their last handshakes showed.",
    count(ENDPOINT_STATES, endpoints, "state", ({ state }) => state),
  );
  const codes = Map.groupBy(
    endpoints.filter(({ errorCode }) => errorCode !== null),
    ({ errorCode }) => errorCode ?? "",
  );
  gauge(
    "renewd_endpoint_errors",
    "Endpoints whose last handshakes failed, by error code.",
    [...codes].slice(0, ERROR_CODES_MAX).map(([code, rows]) => ({ labels: labels({ code }), value: rows.length })),
  );
  gauge(
    "renewd_deployments",
    "Certificates at targets, by state.",
    count(DEPLOYMENT_STATES, deployments, "state", ({ state }) => state),
  );
  const byTarget = [...Map.groupBy(deployments, ({ target }) => target)].sort(([a], [b]) => (a < b ? -1 : 1));
  const shown = byTarget.slice(0, TARGETS_MAX);
  const isBehind = ({ state }: DeploymentRow): boolean => state !== "current" && state !== "none";
  gauge(
    "renewd_target_deployments_behind",
    "Certificates that a target lacks or could not take.",
    shown.map(([target, rows]) => ({ labels: labels({ target }), value: rows.filter(isBehind).length })),
  );
  gauge("renewd_metrics_targets_dropped", "Targets without series of their own here, as there are too many.", [
    { labels: "", value: byTarget.length - shown.length },
  ]);
}

/** Every value has its series, also those that nothing has now: an alert must not miss the first one. */
function count<Row, Value extends string>(
  values: readonly Value[],
  rows: readonly Row[],
  label: string,
  of: (row: Row) => Value,
): Sample[] {
  const found = Map.groupBy(rows, of);
  return values.map((value) => ({ labels: labels({ [label]: value }), value: found.get(value)?.length ?? 0 }));
}

function infoOf({ certificate, state, issuer, keyType }: CertificateRow): Sample[] {
  return [{ labels: labels({ certificate, state, issuer, key_type: keyType }), value: 1 }];
}

function byExpiry(a: CertificateRow, b: CertificateRow): number {
  return (a.expiresAt ?? 0) - (b.expiresAt ?? 0);
}

export function seconds(at: number | null | undefined): number | null {
  return at == null ? null : at / 1_000;
}

/** x509-certificate-exporter writes serial numbers in decimal. */
function decimal(serial: string): string {
  return /^[0-9A-F]+$/i.test(serial) ? BigInt(`0x${serial}`).toString() : serial;
}
