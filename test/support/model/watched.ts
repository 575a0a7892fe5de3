import type { Endpoint, ServedCertificate } from "../../../src/domain/endpoint.ts";
import { NOBODY } from "../../../src/domain/responsibility.ts";
import type { WatchDefinition, WatchLook } from "../../../src/domain/watched.ts";

/** A watched endpoint of the configuration. */
export function watchDefinition(
  key: string,
  endpoint: Partial<Endpoint>,
  patch: Partial<WatchDefinition> = {},
): WatchDefinition {
  const { host = "127.0.0.1", port = 443, sni = host, ...rest } = endpoint;
  return {
    ...{ key, origin: "configured", expects: { minLeftMs: null, trusted: true }, responsibility: NOBODY, foundBy: [] },
    endpoint: { host, port, sni, target: null, ...rest },
    ...patch,
  };
}

/** What one address showed; `leaf` null: it served nothing. */
export function watchLook(
  { at, state, problem }: Pick<WatchLook, "at" | "state" | "problem">,
  leaf: Pick<ServedCertificate, "notBefore" | "notAfter"> | null,
): WatchLook {
  const served = leaf && {
    fingerprint: "f",
    serial: "0A",
    subjectAltNames: [],
    issuer: "CN=Theirs",
    chain: [],
    ...leaf,
  };
  const place = { address: "192.0.2.1", port: 443, sni: "partner.example.org" };
  const observation = { ...place, at, durationMs: 1, served, problem };
  const addresses = [{ observation, state }];
  return { at, state, problem, expiresAt: served?.notAfter ?? null, since: at, addresses };
}
