import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { RenewalError } from "../domain/errors.ts";
import type { CredentialEnd } from "../domain/horizon.ts";
import { splitPem } from "../x509/pem.ts";

const NAME_CHARACTERS_MAX = 100;

/** Each certificate of a PEM file, such as those that a connection is trusted by. Throws `horizon.unknown`. */
export async function certificateFileEnds(file: string): Promise<CredentialEnd[]> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
    throw new RenewalError("horizon.unknown", `cannot read ${file} (${reason})`, { cause });
  });
  return certificateEnds(text, file);
}

/** As `certificateFileEnds`, of a text. Of several certificates with one name the first to end counts. */
export function certificateEnds(pem: string, where: string): CredentialEnd[] {
  const found = new Map<string, CredentialEnd>();
  for (const one of splitPem(pem)) {
    const certificate = parsed(one, where);
    const ends = certificate.validToDate.getTime();
    const what = nameOf(certificate);
    const known = found.get(what)?.ends ?? Number.POSITIVE_INFINITY;
    if (ends < known) found.set(what, { what, ends, begins: certificate.validFromDate.getTime(), note: where });
  }
  return [...found.values()];
}

function parsed(pem: string, where: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new RenewalError("horizon.unknown", `${where} holds something that is no certificate`, { cause });
  }
}

function nameOf({ subject }: X509Certificate): string {
  const lines = subject.split("\n");
  const name = lines.find((line) => line.startsWith("CN="))?.slice("CN=".length) ?? lines.at(-1) ?? "";
  return `certificate ${name.slice(0, NAME_CHARACTERS_MAX)}`;
}
