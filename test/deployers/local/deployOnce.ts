// A worker reduced to one deploy, for tests that kill it: reads what to do from stdin, prints the receipt or the
// error's code.
import { json } from "node:stream/consumers";
import { certbot } from "../../../src/deployers/files/certbot.ts";
import { files } from "../../../src/deployers/files/files.ts";
import { toRenewalError } from "../../../src/domain/errors.ts";
import { definePlugin } from "../../../src/domain/plugin.ts";
import { Secret } from "../../../src/domain/secret.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";

interface Task {
  readonly kind: string;
  readonly options: unknown;
  readonly pair: Omit<IssuedCertificate, "privateKey"> & { readonly keyPem: string };
}

// Boundary: the test that starts this process writes exactly this.
const { kind, options, pair } = (await json(process.stdin)) as Task;
// Not the registry: it loads the vendors' clients, which takes long under strace.
const plugin = [definePlugin(files), definePlugin(certbot)].find(({ type }) => type === kind);
if (plugin === undefined) throw new Error(`there is no kind ${kind}`);
const deployer = plugin.create(plugin.options.parse(options), dependencies("crash"));
const request = { pair: { ...pair, privateKey: new Secret(pair.keyPem) }, previous: null };
const outcome = await deployer
  .deploy(request, new AbortController().signal)
  .catch((error: unknown) => ({ code: toRenewalError(error).code }));
process.stdout.write(`${JSON.stringify(outcome)}\n`);
