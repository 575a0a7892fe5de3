import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Config } from "../../config/config.ts";
import { processEnvironment } from "../../config/read/environment.ts";
import { lookUpSecret } from "../../config/read/readSecret.ts";
import { PASSWORD_CHARACTERS_MIN } from "../../domain/httpreqClient.ts";
import type { SecretReference } from "../../domain/secretReference.ts";
import type { DoctorCheck } from "../../reports/doctor.ts";
import { failed, passed, warning } from "./check.ts";
import type { Patient } from "./patient.ts";

const MISTAKES_MAX = 20;
const DEPTH_MAX = 8;
const OTHERS_WRITE = 0o002;
const OTHERS_READ = 0o004;

/** The file itself: mistakes, what should be written in another way, and who may change it. */
export async function checkConfiguration({ file, problems, config }: Patient): Promise<DoctorCheck[]> {
  const mistakes = problems.slice(0, MISTAKES_MAX).map((problem) => {
    const place = problem.line === 0 ? problem.file : `${problem.file}:${problem.line}:${problem.column}`;
    return failed("configuration", place, problem.message, "Correct it; `renewd config check` lists every mistake.");
  });
  const notes = (config?.notes ?? []).map(({ line, column, message }) =>
    warning("configuration", `${file}:${line}:${column}`, message, "Write it in the new way; the old one still works."),
  );
  const found = await stat(file).catch(() => null);
  const isOpen = found !== null && (found.mode & OTHERS_WRITE) !== 0;
  const open = isOpen
    ? [failed("configuration", file, "every user of this machine can change it", `chmod o-w ${file}`)]
    : [];
  const count = config?.certificates.length ?? 0;
  const right = `no mistakes, ${count} certificate${count === 1 ? "" : "s"}`;
  return [...mistakes, ...open, ...notes, ...(mistakes.length === 0 ? [passed("configuration", file, right)] : [])];
}

/**
 * Every secret that an issuer, solver, target or channel of this machine names, without showing any of it. `targets`
 * false: not theirs.
 */
export async function checkSecrets({
  config,
  targets = true,
}: Pick<Patient, "config"> & { readonly targets?: boolean }): Promise<DoctorCheck[]> {
  if (config === null) return [];
  const owners = [
    ...[...config.issuers].map(([name, { externalAccount }]) => ({
      owner: `issuer ${name}`,
      options: externalAccount,
    })),
    ...[...config.solvers].map(([name, { options }]) => ({ owner: `solver ${name}`, options })),
    // A target with an agent has its secrets on that machine.
    ...[...config.targets]
      .filter(([, { agent }]) => targets && !agent)
      .map(([name, { options }]) => ({ owner: `target ${name}`, options })),
    ...[...config.web.httpreq].map(([name, { password: options }]) => ({ owner: `httpreq client ${name}`, options })),
    ...[...config.notifications].map(([name, { options }]) => ({ owner: `channel ${name}`, options })),
  ];
  const checks: DoctorCheck[] = [];
  let readable = 0;
  for (const { owner, options } of owners) {
    for (const reference of referencesIn(options)) {
      const found = await lookUpSecret(reference, dirname(config.file), processEnvironment);
      if ("problem" in found) {
        const fix =
          reference.kind === "env"
            ? `Set ${reference.at} where renewd starts: EnvironmentFile= of its unit, or the shell.`
            : "Create the file, readable by the user that renewd runs as.";
        checks.push({ ...failed("secrets", owner, found.problem, fix), code: "config.secret" });
        continue;
      }
      readable += 1;
      if (owner.startsWith("httpreq client ") && found.secret.reveal().length < PASSWORD_CHARACTERS_MIN) {
        const what = `the password has fewer than ${PASSWORD_CHARACTERS_MIN} characters, so nobody is let in by it`;
        checks.push({ ...failed("secrets", owner, what, "Set a longer one."), code: "config.secret" });
      }
      if (reference.kind === "file") checks.push(...(await exposedSecret(owner, reference.at, config)));
    }
  }
  if (readable > 0) checks.push(passed("secrets", "secrets", `${readable} can be read by this user`));
  return checks;
}

async function exposedSecret(owner: string, at: string, { file }: Config): Promise<DoctorCheck[]> {
  const path = at.startsWith("/") ? at : `${dirname(file)}/${at}`;
  const found = await stat(path).catch(() => null);
  if (found === null || (found.mode & OTHERS_READ) === 0) return [];
  return [warning("secrets", owner, `every user of this machine can read ${path}`, `chmod 600 ${path}`)];
}

/** Options are the plugin's own: a reference is known by its form. */
function referencesIn(value: unknown, depth = 0): SecretReference[] {
  if (typeof value !== "object" || value === null || depth > DEPTH_MAX) return [];
  if ("kind" in value && "at" in value && typeof value.at === "string")
    if (value.kind === "env" || value.kind === "file") return [{ kind: value.kind, at: value.at }];
  return Object.values(value).flatMap((each: unknown) => referencesIn(each, depth + 1));
}
