import { type App, openContext, withoutQueue } from "../../../src/compose/index.ts";
import type { Version } from "../../../src/domain/version.ts";
import { createLog } from "../../../src/log.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { issue } from "../../../src/renewal/steps/issue.ts";
import { startHttp01Responder } from "../../../src/web/http01.ts";
import { until } from "../until.ts";
import type { System } from "./system.ts";

const NO_SIGNAL = new AbortController().signal;

/** Planner and ACME worker of a system as function calls, with the responder the CA asks; nothing is deployed. */
export interface OneProcess extends AsyncDisposable {
  readonly app: App;
  readonly context: Context;
  /** Plans what is due and issues it, retries included, until the certificate has this generation. */
  issued(certificate: string, generation: number): Promise<Version>;
}

export async function oneProcess(system: System): Promise<OneProcess> {
  await using stack = new AsyncDisposableStack();
  const app = stack.use(await openContext(system.configFile, { log: createLog({ level: "error", pretty: false }) }));
  const context = withoutQueue(app.context);
  await configure(context, NO_SIGNAL);
  const { store } = app;
  stack.adopt(
    await startHttp01Responder({ host: "127.0.0.1", port: system.pebble.httpPort, challenges: store.challenges }),
    (responder) => responder.close(),
  );
  const kept = stack.move();
  return {
    app,
    context,
    issued: (certificate, generation) =>
      until(`generation ${generation} of ${certificate}`, async () => {
        await planDue(context, NO_SIGNAL);
        const active = await store.renewals.active(certificate);
        if (active !== null) await issue(context, active.id, NO_SIGNAL);
        return store.versions.get(certificate, generation);
      }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
