import { runningHere } from "../../compose/index.ts";
import { toRenewalError } from "../../domain/errors.ts";
import type { Desk } from "./desk.ts";
import { localDesk } from "./local.ts";

/**
 * The desk of this machine. While its file is wrong, what a person decides is carried out by the renewd that runs here,
 * by the configuration in force: who has to renew at night need not find another's mistake first.
 */
export function deskInForce(configFile: string, note: (text: string) => void): Desk {
  const local = localDesk(configFile, note);
  let running: Promise<Desk> | null = null;
  const decided = async <T>(decide: (desk: Desk) => Promise<T>): Promise<T> => {
    if (running !== null) return decide(await running);
    try {
      return await decide(local);
    } catch (thrown) {
      const error = toRenewalError(thrown);
      // Nothing was done: without a configuration nothing is opened.
      if (error.code !== "config.invalid") throw thrown;
      const at = await runningHere(configFile);
      if (at === null) throw thrown;
      note(`${error.message.split("\n", 1)[0]}`);
      note(`  ${configFile} is wrong: this is done by the configuration in force, at ${at.server}`);
      running = import("./remote.ts").then(({ remoteDesk }) => remoteDesk(at));
      return decide(await running);
    }
  };
  return {
    ...local,
    renew: (...asked) => decided((desk) => desk.renew(...asked)),
    deploy: (...asked) => decided((desk) => desk.deploy(...asked)),
    rollBack: (...asked) => decided((desk) => desk.rollBack(...asked)),
    retry: (...asked) => decided((desk) => desk.retry(...asked)),
    resume: (...asked) => decided((desk) => desk.resume(...asked)),
    pause: (...asked) => decided((desk) => desk.pause(...asked)),
    acknowledge: (...asked) => decided((desk) => desk.acknowledge(...asked)),
    withdrawAcknowledgement: (...asked) => decided((desk) => desk.withdrawAcknowledgement(...asked)),
    acknowledgeAlert: (...asked) => decided((desk) => desk.acknowledgeAlert(...asked)),
    withdrawAlert: (...asked) => decided((desk) => desk.withdrawAlert(...asked)),
    revocationDraft: (...asked) => decided((desk) => desk.revocationDraft(...asked)),
    revoke: (...asked) => decided((desk) => desk.revoke(...asked)),
    replace: (...asked) => decided((desk) => desk.replace(...asked)),
    cancelReplacement: (...asked) => decided((desk) => desk.cancelReplacement(...asked)),
    // Of what was just begun.
    followed: () => decided((desk) => desk.followed()),
  };
}
