import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import { digestOf } from "../auth/actor.ts";
import type { WebContext } from "../context.ts";
import type { ActionOutcome } from "./actions/perform.ts";

interface Sent {
  readonly by: string;
  /** A random value of the form; "": none, so that every sending is another request. */
  readonly key: string;
  readonly request: string;
}

const outcomesText = z.array(
  z.object({
    subject: z.string(),
    done: z.boolean(),
    what: z.string(),
    renewalId: z.string().nullable(),
    code: z.string().nullable(),
    action: z.string().nullable(),
  }),
);

/** Does it once per key; a repetition gets the first answer. */
export async function once(
  web: WebContext,
  { by, key, request }: Sent,
  act: () => Promise<readonly ActionOutcome[]>,
): Promise<readonly ActionOutcome[]> {
  if (key === "") return act();
  const { webAccess } = web.renewal.store;
  const id = digestOf(`page ${by} ${key}`);
  const known = await webAccess.reserve({ key: id, request: digestOf(request), at: web.renewal.clock.now() });
  if (known !== null) {
    if (known.request !== digestOf(request))
      throw new RenewalError("request.invalid", "this form was sent already with other fields: open it again");
    if (known.body === null)
      throw new RenewalError("request.invalid", "this form was sent already and is being carried out: see the history");
    return outcomesText.parse(JSON.parse(known.body));
  }
  try {
    const outcomes = await act();
    await webAccess.answer(id, { status: 200, body: JSON.stringify(outcomes) });
    return outcomes;
  } catch (thrown) {
    await webAccess.release(id);
    throw thrown;
  }
}
