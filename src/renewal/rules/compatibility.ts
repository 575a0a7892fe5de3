import type { Certificate } from "../../domain/certificate.ts";
import type { TargetLimits } from "../../domain/deployer.ts";
import { formatDuration } from "../../domain/time.ts";
import type { Version } from "../../domain/version.ts";

type Check = (certificate: Certificate, limits: TargetLimits, version: Version | null) => string | null;

const CHECKS: readonly Check[] = [
  ({ keyType }, { keyTypes }) =>
    keyTypes === undefined || keyTypes.includes(keyType)
      ? null
      : `takes no ${keyType} key, only ${keyTypes.join(", ")}`,
  ({ identifiers }, { namesMax }) =>
    namesMax === undefined || identifiers.length <= namesMax
      ? null
      : `takes at most ${namesMax} names, the certificate has ${identifiers.length}`,
  ({ identifiers }, { identifierTypes }) => {
    const other = identifierTypes && identifiers.find(({ type }) => !identifierTypes.includes(type));
    return other
      ? `takes no certificate with ${other.type === "ip" ? "the IP address" : "the DNS name"} ${other.value}`
      : null;
  },
  ({ profile }, { profiles }) =>
    profiles === undefined || profile === null || profiles.includes(profile)
      ? null
      : `takes no certificate of profile ${profile}, only of ${profiles.join(", ")}`,
  // How long the CA's certificates are valid is known once it has issued one.
  (_certificate, { lifetimeMinMs }, version) => {
    if (lifetimeMinMs === undefined || version === null) return null;
    const lifetimeMs = version.leaf.notAfter - version.leaf.notBefore;
    return lifetimeMs >= lifetimeMinMs
      ? null
      : `takes no certificate valid for less than ${formatDuration(lifetimeMinMs)}; ` +
          `the last one was valid for ${formatDuration(lifetimeMs)}`;
  },
];

/** The limits of a kind of target, narrowed by what the operator has configured for this target. */
export function narrowed(kind: TargetLimits, own: TargetLimits): TargetLimits {
  const keyTypes = own.keyTypes?.filter((keyType) => kind.keyTypes?.includes(keyType) ?? true);
  const namesMax = Math.min(kind.namesMax ?? Number.POSITIVE_INFINITY, own.namesMax ?? Number.POSITIVE_INFINITY);
  return {
    ...kind,
    ...own,
    ...(keyTypes !== undefined && { keyTypes }),
    ...(Number.isFinite(namesMax) && { namesMax }),
  };
}

/**
 * Why targets cannot take the certificate, one sentence each. Known without asking them, so reported before issuing.
 */
export function incompatibilities(
  certificate: Certificate,
  version: Version | null,
  limitsOf: (target: string) => TargetLimits,
): string[] {
  return certificate.targets.flatMap((target) => {
    const limits = limitsOf(target);
    return CHECKS.flatMap((check) => {
      const found = check(certificate, limits, version);
      return found === null ? [] : [`target ${target} ${found}`];
    });
  });
}
