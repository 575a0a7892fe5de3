import { createInterface } from "node:readline";
import { z } from "zod";
import { toRenewalError } from "../../src/domain/errors.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { Store } from "../../src/domain/store.ts";
import { openStore, openVault } from "../../src/store/index.ts";

/** A process that opens a store and does what its standard input says, one line at a time. */
const schema = z.union([
  z.object({ kind: z.literal("sqlite"), file: z.string(), masterKeyFile: z.string() }),
  z.object({ kind: z.literal("postgresql"), url: z.string(), masterKeyFile: z.string() }),
]);

const LEASE_MS = 60_000;

async function open(): Promise<Store | null> {
  const argument = schema.parse(JSON.parse(process.argv[2] ?? ""));
  try {
    const vault = await openVault({ file: argument.masterKeyFile });
    const options = argument.kind === "sqlite" ? argument : { kind: argument.kind, url: new Secret(argument.url) };
    const store = await openStore(options, vault, `test/${process.pid}`);
    console.log(`open ${vault.keyId}`);
    return store;
  } catch (thrown) {
    const { code, message } = toRenewalError(thrown);
    console.log(`refused ${code} ${message}`);
    return null;
  }
}

async function claim(store: Store, ids: readonly string[], now: number): Promise<string> {
  const claimed = [];
  for (const id of ids) if ((await store.renewals.claim(id, now, LEASE_MS)) !== null) claimed.push(id);
  return claimed.join(",");
}

async function count(store: Store, id: string, times: number): Promise<string> {
  for (let n = 0; n < times; n += 1) {
    await store.transaction(async (tx) => {
      const renewal = await tx.renewals.lock(id);
      if (renewal === null) throw new Error(`no renewal ${id}`);
      await tx.renewals.update(id, renewal.fence, { attempts: renewal.attempts + 1 });
      await tx.events.append({
        at: n,
        type: "issue.started",
        certificate: null,
        renewalId: id,
        target: null,
        detail: {},
      });
    });
  }
  return "done";
}

async function hang(store: Store, id: string): Promise<string> {
  return store.transaction(async (tx) => {
    await tx.renewals.update(id, 0, { state: "issuing", attempts: 7 });
    await tx.events.append({
      at: 0,
      type: "issue.started",
      certificate: null,
      renewalId: id,
      target: null,
      detail: {},
    });
    await tx.events.list({ limit: 1 });
    console.log("inside");
    return new Promise<string>(() => {});
  });
}

const store = await open();
if (store !== null) {
  for await (const line of createInterface(process.stdin)) {
    const [command = "", subject = "", number = ""] = line.split(" ");
    if (command === "claim") console.log(await claim(store, subject.split(","), Number(number)));
    if (command === "count") console.log(await count(store, subject, Number(number)));
    if (command === "hang") console.log(await hang(store, subject));
  }
}
