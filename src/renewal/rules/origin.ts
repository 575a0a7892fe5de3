import type { CaBudget } from "../../domain/budget.ts";
import type { Certificate } from "../../domain/certificate.ts";
import { IMPORTED, type Version } from "../../domain/version.ts";

type Origin = Pick<Version, "issuer" | "directory">;
type Issuers = Pick<Certificate, "issuer" | "fallbacks" | "issuerDirectories">;

/** Whether one of the certificate's issuers issued it. By directory; by name where a release did not record it. */
export function isFromConfigured({ issuer, fallbacks, issuerDirectories }: Issuers, origin: Origin): boolean {
  if (origin.issuer === IMPORTED) return true;
  return origin.directory !== null && issuerDirectories.length > 0
    ? issuerDirectories.includes(origin.directory)
    : [issuer, ...fallbacks].includes(origin.issuer);
}

/** Whether this CA issued it. */
export function isFromCa(origin: Origin, { issuer, directory }: Pick<CaBudget, "issuer" | "directory">): boolean {
  return origin.directory !== null && directory !== "" ? origin.directory === directory : origin.issuer === issuer;
}

/** What the version should say of its issuer by the configuration of now; null: what it says. */
export function originNow({ issuer, fallbacks, issuerDirectories }: Issuers, origin: Origin): Origin | null {
  const names = [issuer, ...fallbacks];
  if (origin.directory === null) {
    const directory = issuerDirectories[names.indexOf(origin.issuer)] ?? "";
    return directory === "" ? null : { issuer: origin.issuer, directory };
  }
  if (names.includes(origin.issuer)) return null;
  const renamed = names[issuerDirectories.indexOf(origin.directory)];
  return renamed === undefined ? null : { issuer: renamed, directory: origin.directory };
}
