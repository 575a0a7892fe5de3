import type { z } from "zod";
import { type Endpoint, endpointPlace } from "../../domain/endpoint.ts";
import type { WatchDefinition } from "../../domain/watched.ts";
import type { Problems } from "../read/problems.ts";
import { quote } from "../read/suggestions.ts";
import type { watchSchema } from "../schema/watch.ts";
import { fromEach, howToDial, portOf } from "./certificates.ts";
import { type ResponsibilitySources, responsibilityOf } from "./responsibility.ts";
import type { Entry } from "./sections.ts";

type WatchEntry = z.output<typeof watchSchema>;

/** Completes each watched endpoint. The same place twice is a mistake: it would be looked at, and alerted about, twice. */
export function watchDefinitions(
  entries: ReadonlyMap<string, Entry<WatchEntry>>,
  vantages: readonly string[],
  responsibility: ResponsibilitySources,
  problems: Problems,
): WatchDefinition[] {
  const places = new Map<string, string>();
  return [...entries].flatMap(([name, { value }]) => {
    const definition = definitionOf(name, value, responsibility);
    const place = endpointPlace(definition.endpoint);
    const other = places.get(place);
    if (other !== undefined) problems.add(["watch", name], `is the same endpoint as ${quote(other)}: ${place}`, "key");
    places.set(place, name);
    return fromEach(definition.endpoint, value.vantages ?? vantages).map((endpoint) => ({
      ...definition,
      key: watchedKey(name, endpoint),
      endpoint,
    }));
  });
}

/** Each vantage looks by itself. */
function watchedKey(name: string, { vantage }: Endpoint): string {
  return vantage === undefined ? name : `${name} from ${vantage}`;
}

function definitionOf(name: string, entry: WatchEntry, responsibility: ResponsibilitySources): WatchDefinition {
  const { host, sni = host } = entry;
  const own = "trusted" in entry ? entry : null;
  return {
    key: name,
    origin: "configured",
    endpoint: { host, port: portOf(entry), sni, target: null, ...howToDial(entry) },
    expects: { minLeftMs: own?.minLeft ?? null, trusted: own?.trusted ?? true },
    responsibility: responsibilityOf({ kind: "certificates", name, names: [sni] }, own ?? {}, responsibility),
    foundBy: [],
  };
}
