import type { Channel, Concern } from "../../domain/notification.ts";
import { labelTexts, type Responsibility } from "../../domain/responsibility.ts";

type Routed = Pick<Channel, "about">;

/**
 * Whether a channel is sent what somebody answers for. One without `about` is sent everything. What no channel is
 * about, renewd's own troubles among it, goes to all of them: nothing falls silent because nobody was named.
 */
export function isSent(channel: Routed, all: Iterable<Routed>, responsibility: Responsibility | null): boolean {
  if (concerns(channel, responsibility)) return true;
  return ![...all].some((each) => concerns(each, responsibility));
}

function concerns({ about }: Routed, responsibility: Responsibility | null): boolean {
  return about === undefined || (responsibility !== null && fits(about, responsibility));
}

function fits({ owners, teams, labels, criticality }: Concern, responsibility: Responsibility): boolean {
  const { owner, team } = responsibility;
  const own = labelTexts(responsibility);
  return (
    (owners === undefined || (owner !== null && owners.includes(owner))) &&
    (teams === undefined || (team !== null && teams.includes(team))) &&
    (labels === undefined || labels.some((label) => own.includes(label))) &&
    (criticality === undefined || criticality.includes(responsibility.criticality))
  );
}
