import type { Certificate } from "../../domain/certificate.ts";
import { toRenewalError } from "../../domain/errors.ts";
import { NAMES_MAX } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { originNow } from "../rules/origin.ts";

/**
 * A CA is known by its directory. After a reload that renames an issuer, its account and its certificates follow the
 * new name, so that nothing is issued again. Versions of a release that recorded no directory get the one of their
 * issuer.
 */
export async function followIssuerNames({ store, services, log }: Context): Promise<void> {
  const certificates = services.certificates();
  const directories = directoriesOf(certificates);
  const configured = services.issuerNames();
  for (const [issuer, directory] of directories) {
    try {
      const before = await store.accounts.follow(issuer, directory, configured);
      if (before !== null) log.info({ issuer, before }, "the renamed issuer keeps its account");
    } catch (thrown) {
      log.error({ issuer, err: toRenewalError(thrown) }, "the account of an issuer cannot be read");
    }
  }
  const byName = new Map(certificates.map((certificate) => [certificate.name, certificate]));
  const nowOf = (version: Pick<Version, "certificate" | "issuer" | "directory">) => {
    const certificate = byName.get(version.certificate);
    return certificate === undefined ? null : originNow(certificate, version);
  };
  // Most often there are none, and all versions of a large fleet are much to read.
  const renamed = (await store.versions.origins()).filter((each) => nowOf(each) !== null);
  for (let from = 0; from < renamed.length; from += NAMES_MAX) {
    const names = renamed.slice(from, from + NAMES_MAX).map(({ certificate }) => certificate);
    for (const version of await store.versions.listLatest(undefined, names)) {
      const origin = nowOf(version);
      if (origin !== null) await store.versions.setOrigin(version.certificate, version.generation, origin);
    }
  }
}

function directoriesOf(certificates: readonly Certificate[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const { issuer, fallbacks, issuerDirectories } of certificates) {
    for (const [index, name] of [issuer, ...fallbacks].entries()) {
      const directory = issuerDirectories[index] ?? "";
      if (directory !== "") found.set(name, directory);
    }
  }
  return found;
}
