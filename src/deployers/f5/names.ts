import type { IssuedCertificate } from "../../domain/version.ts";

/** Full names of the objects of one pair. */
export interface F5Names {
  readonly partition: string;
  readonly cert: string;
  readonly key: string;
  readonly chain: string;
}

const FINGERPRINT_CHARS = 16;
const NAME = /^\/[^/]+\/renewd_(.+)_g(\d{1,9})_([0-9a-f]{16})\.(?:crt|key|chain\.crt)$/;

/** The generation is in the name, as objects of a BIG-IP have no place for it that every version keeps. */
export function namesOf({ certificate, generation, leaf }: IssuedCertificate, partition: string): F5Names {
  const base = `/${partition}/renewd_${certificate}_g${generation}_${leaf.fingerprint.slice(0, FINGERPRINT_CHARS)}`;
  return { partition, cert: `${base}.crt`, key: `${base}.key`, chain: `${base}.chain.crt` };
}

/** null: renewd did not create it. `fingerprint` is only the first 16 digits. */
export function parseName(
  name: string,
): { readonly certificate: string; readonly generation: number; readonly fingerprint: string } | null {
  const [, certificate, generation, fingerprint] = NAME.exec(name) ?? [];
  if (certificate === undefined || generation === undefined || fingerprint === undefined) return null;
  return { certificate, generation: Number(generation), fingerprint };
}
