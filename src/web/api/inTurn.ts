import type { WebContext } from "../context.ts";
import { HttpProblem } from "../problem.ts";

const WAITING_MAX = 20;

interface Turns {
  waiting: number;
  last: Promise<unknown>;
}

/** What asks others takes long, and must not keep documents of the database waiting. */
const LANES = { documents: new WeakMap<WebContext, Turns>(), inquiries: new WeakMap<WebContext, Turns>() };

/** One whole document at a time: that of ten thousand certificates keeps a process busy that also renews them. */
export async function inTurn<T>(
  web: WebContext,
  work: () => Promise<T>,
  lane: keyof typeof LANES = "documents",
): Promise<T> {
  const turns = LANES[lane];
  const own = turns.get(web) ?? { waiting: 0, last: Promise.resolve() };
  turns.set(web, own);
  if (own.waiting >= WAITING_MAX)
    throw new HttpProblem(503, `${WAITING_MAX} requests for whole documents wait already`, {
      code: "web.unavailable",
      action: "Ask again later, or for pages of the lists, which cost little.",
    });
  own.waiting += 1;
  const turn = own.last.then(work).finally(() => {
    own.waiting -= 1;
  });
  // What fails for one keeps nothing from the next.
  own.last = turn.catch(() => {});
  return turn;
}
