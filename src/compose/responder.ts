import type { Context } from "../renewal/context.ts";
import { startHttp01Responder } from "../web/http01.ts";

export interface ListeningAddress {
  readonly host: string;
  readonly port: number;
}

/** The http-01 responder of this process. */
export interface Responder {
  /** Listens at another address. If that fails it goes on where it is, and throws. */
  move(to: ListeningAddress): Promise<void>;
  close(): Promise<void>;
}

export async function startResponder({ store, log }: Context, at: ListeningAddress): Promise<Responder> {
  const listen = async (to: ListeningAddress) => {
    const responder = await startHttp01Responder({ ...to, challenges: store.challenges });
    log.info({ host: to.host, port: responder.port }, "http-01 responder listening");
    return responder;
  };
  let current = at;
  let responder = await listen(at);
  return {
    async move(to) {
      if (to.host === current.host && to.port === current.port) return;
      const before = responder;
      // The old one goes on until the new one listens: both may share a port, and no CA is left without an answer.
      responder = await listen(to);
      current = to;
      await before.close();
    },
    close: () => responder.close(),
  };
}
