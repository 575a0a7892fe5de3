import { inert } from "../../domain/text.ts";
import type { Screen } from "../terminal/style.ts";
import { renderTable } from "../terminal/table.ts";

/** `renewd init --json`. */
export interface InitReport {
  readonly version: 1;
  /** null: `--print`. */
  readonly file: string | null;
  /** The user of the service, where root asks: what writes is typed as that one. null: as you are. */
  readonly runAs: string | null;
  readonly configuration: string;
  readonly certificates: readonly {
    readonly name: string;
    readonly names: readonly string[];
    readonly certificateFile: string;
    readonly keyFile: string;
    readonly expiresAt: string | null;
    readonly servers: readonly string[];
    readonly renewedBy: string | null;
    readonly obstacle: string | null;
  }[];
  readonly servers: readonly string[];
  /** Sentences about files that could not be read or taken over. */
  readonly unreadable: readonly string[];
  readonly sharesPort80With: string | null;
  /** What `renewd config check` says of the file. */
  readonly problems: readonly string[];
}

export function renderInit(report: InitReport, screen: Screen): string {
  if (report.file === null) return report.configuration.trimEnd();
  return [...found(report, screen), "", ...next(report, report.file)].join("\n");
}

function found({ servers, certificates, unreadable }: InitReport, screen: Screen): string[] {
  const columns = [
    { title: "CERTIFICATE" },
    { title: "EXPIRES" },
    { title: "SERVED BY" },
    { title: "RENEWED BY" },
    { title: "", widthMin: 20, wraps: true },
  ];
  const rows = certificates.map(({ name, expiresAt, servers: by, renewedBy, obstacle }) => [
    name,
    expiresAt?.slice(0, 10) ?? "unknown",
    by.join(", ") || "nothing found",
    renewedBy ?? "nothing found",
    obstacle === null ? "" : `not ready: ${obstacle}`,
  ]);
  return [
    servers.length === 0 ? "No web server's configuration was found." : `Found ${servers.map(inert).join(", ")}.`,
    ...unreadable.map((each) => `! ${each}`),
    ...(rows.length === 0
      ? ["No certificate was found: the file has an example to fill in."]
      : ["", ...renderTable(columns, rows, screen)]),
  ];
}

/** What to type, in order. */
function next({ certificates, sharesPort80With, problems, runAs }: InitReport, file: string): string[] {
  const as = runAs === null ? "" : `runuser -u ${inert(runAs)} -- `;
  const option = file === "renewd.yaml" ? "" : ` -c ${inert(file)}`;
  const ready = certificates.filter(({ obstacle }) => obstacle === null);
  return [
    `${inert(file)} is written. Nothing else was changed. Next:`,
    ...problems.map((problem) => `  ! ${inert(problem)}`),
    ...(sharesPort80With === null
      ? []
      : [`  let ${sharesPort80With} forward /.well-known/acme-challenge/: docs/port80.md`]),
    `  renewd${option} config check`,
    ...ready
      .filter(({ expiresAt }) => expiresAt !== null)
      .map(
        ({ name, certificateFile, keyFile }) =>
          `  ${as}renewd${option} import ${name} --certificate ${inert(certificateFile)} --key ${inert(keyFile)}`,
      ),
    `  renewd${option} plan`,
    `  ${as}renewd${option} run`,
  ];
}
