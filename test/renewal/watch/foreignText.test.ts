// What strangers write, from a certificate or a program through history to a chat and the log.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterEach, beforeEach, expect, it } from "vitest";
import { exec } from "../../../src/deployers/programs/exec.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { createLog } from "../../../src/log.ts";
import { webhook } from "../../../src/notify/webhook.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { deploy } from "../../../src/renewal/steps/deploy.ts";
import { issue } from "../../../src/renewal/steps/issue.ts";
import { verify } from "../../../src/renewal/steps/verify.ts";
import { notifyPeople } from "../../../src/renewal/watch/notify.ts";
import { observeDue } from "../../../src/renewal/watch/observe.ts";
import { createProbe } from "../../../src/tls/probe.ts";
import { readLeaf } from "../../../src/x509/leaf.ts";
import { createRoot } from "../../support/ca/pki.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";
import { createPairIssuer } from "../../support/pairs/issuedPairs.ts";
import { KEY_SPELLINGS, pieceFinder } from "../../support/pairs/keySpellings.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { startTlsServer } from "../../support/servers/tlsServer.ts";
import { type Hook, startHook } from "../../support/system/hook.ts";

/** What `JSON.parse` of a line or body may not hold, for a program may print it; a chat's line break is ours. */
const ACTIVE = /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const MENTION = /<!|<@|<users|<at>|(?<![A-Za-z0-9])@\w/;
const HOSTILE = "<!channel> @everyone \u001b[31m\u009b2J\u202e\u2066\u200b[x](https://evil.test)";
/** A name in a certificate is IA5String: seven bits. */
const IA5 = "<!channel> @everyone \u001b[31m\u0007.example.org";
const WWW = modelCertificate("www", {
  targets: ["a"],
  endpoints: [{ host: "a", port: 443, sni: "www.example.org", target: "a" }],
  verifyTimeoutMs: 5_000,
});

let bench: Workbench;
let context: Context;
let hook: Hook;
let logged: string;

beforeEach(async () => {
  [bench, hook, logged] = [await Workbench.open([WWW]), await startHook(), ""];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      logged += String(chunk);
      done();
    },
  });
  context = { ...bench.context, log: createLog({ level: "debug", pretty: false }, sink) };
  const send = webhook.create(webhook.options.parse({ url: "env:HOOK" }), {
    channel: "ops",
    secret: async () => new Secret(hook.url),
  });
  bench.channels.set("ops", { from: "info", keepsAlerts: false, send });
  await notifyPeople(context, NO_SIGNAL);
});
afterEach(async () => {
  await Promise.all([bench[Symbol.asyncDispose](), hook[Symbol.asyncDispose]()]);
});

async function renew(): Promise<void> {
  await configure(context, NO_SIGNAL);
  await planDue(context, NO_SIGNAL);
  for (let job = bench.jobs.shift(); job !== undefined; job = bench.jobs.shift()) {
    if (job.kind === "issue") await issue(context, job.renewalId, NO_SIGNAL);
    if (job.kind === "deploy") await deploy(context, job.renewalId, job.target, NO_SIGNAL);
    if (job.kind === "verify") await verify(context, job.renewalId, NO_SIGNAL);
  }
}

/** Every string of a value, names of members included. */
function strings(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => [name, ...strings(member)]);
}

async function everywhere(): Promise<{ history: unknown[]; chat: unknown[]; log: unknown[] }> {
  const lines = logged.split("\n").filter((line) => line !== "");
  const log: unknown[] = lines.map((line) => JSON.parse(line));
  return { history: await bench.store.events.list({ limit: 100 }), chat: hook.taken, log };
}

it("shows a hostile certificate's names as text in history, chat and log", async () => {
  await renew();
  const issuer = await createRoot({ name: `${HOSTILE} issuer` });
  const served = await issuer.issue({ names: [IA5, "\u001b.test"] });
  await using server = await startTlsServer({ pairs: [served] });
  const probe = createProbe({ timeoutMs: 5_000, now: () => bench.now });
  context = {
    ...context,
    probe: {
      addresses: async () => ["127.0.0.1"],
      observe: (endpoint, address, _expected, signal) =>
        probe.observe({ ...endpoint, port: server.port }, address, null, signal),
    },
  };
  bench.now = Math.max(bench.now, (await bench.store.certificates.get("www"))?.nextObservationAt ?? 0);
  await observeDue(context, NO_SIGNAL);
  // Imported or issued certificates are read by another reader.
  const leaf = readLeaf(served.certPem);
  const detail = { names: leaf.identifiers.map(({ value }) => value), issuedBy: leaf.issuerName, missed: HOSTILE };
  await bench.store.events.append({
    ...{ at: bench.now, type: "version.imported", certificate: "www", renewalId: null, target: null },
    detail,
  });
  context.log.warn({ err: new RenewalError("verify.stale", `serves ${HOSTILE}`), endpoint: HOSTILE }, HOSTILE);
  await notifyPeople(context, NO_SIGNAL);

  const { history, chat, log } = await everywhere();
  for (const found of [history, chat, log]) {
    expect(strings(found).some((text) => text.includes("channel"))).toBe(true);
    expect(strings(found).filter((text) => ACTIVE.test(text))).toEqual([]);
  }
  expect(logged.replaceAll("\n", "")).not.toMatch(ACTIVE);
  expect(strings(detail.names).filter((text) => ACTIVE.test(text))).toEqual([]);
  expect(leaf.issuerName).not.toMatch(ACTIVE);
  const texts = hook.taken.map(({ text }) => String(text));
  expect(texts.some((text) => text.includes("&lt;!channel&gt; ＠everyone"))).toBe(true);
  expect(texts.filter((text) => MENTION.test(text) || text.includes("]("))).toEqual([]);
});

it("shows no piece of a key that a program prints in history, chat, log and the stored deployment", async () => {
  const root = await mkdtemp(join(tmpdir(), "renewd-foreign-"));
  try {
    const pair = await (await createPairIssuer()).issue({ certificate: "www", generation: 1 });
    const key = pair.privateKey.reveal();
    const printed = Object.values(KEY_SPELLINGS).map((spell, seed) => spell(key, seed));
    await writeFile(join(root, "said"), printed.join("\n"));
    const command = ["sh", "-c", `cat ${join(root, "said")} >&2; exit 78`];
    const options = exec.options.parse({ command, record: join(root, "{certificate}.json") });
    const real = exec.create(options, dependencies("a"));
    // The model's CA issues no real pair.
    const deployer = {
      deploy: (request: Parameters<typeof real.deploy>[0], signal: AbortSignal) =>
        real.deploy({ ...request, pair }, signal),
    };
    context = { ...context, services: { ...context.services, deployer: () => deployer } };
    await renew();
    await notifyPeople(context, NO_SIGNAL);

    const { history, chat, log } = await everywhere();
    expect(strings(history).filter((text) => text.includes("exit code 78")).length).toBeGreaterThan(0);
    expect(strings(chat).filter((text) => text.includes("exit code 78")).length).toBeGreaterThan(0);
    const stored = [await bench.store.deployments.list("www"), await bench.store.certificates.get("www")];
    for (const found of [history, chat, log, stored]) expect(pieceFinder(key)(JSON.stringify(found))).toEqual([]);
  } finally {
    await rm(root, { recursive: true });
  }
});
