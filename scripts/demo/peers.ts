import { delegatedName } from "../../src/solvers/dns/server/kind.ts";
import { type Pebble, startPebble } from "../../test/support/ca/pebble.ts";
import { createRoot, type IssuedPair } from "../../test/support/ca/pki.ts";
import { type AcmFake, startAcmFake } from "../../test/support/fakes/acm.ts";
import { freePort } from "../../test/support/freePort.ts";
import { type Haproxy, startHaproxy } from "../../test/support/servers/haproxy.ts";
import { type Nginx, startNginx } from "../../test/support/servers/nginx.ts";
import { type DemoResolver, startDemoResolver } from "./resolver.ts";

const DAY_MS = 86_400_000;
const LIFETIME_DAYS = 90;
const WILDCARD = "wildcard.demo.test";
/** Delegated to renewd: its name server answers for it, and no credential is needed. */
export const DNS_ZONE = "acme.demo.test";

/** What the estate looks like before renewd sees it: certificate name → the pair some other tool left behind. */
export interface Estate {
  readonly pairs: Readonly<Record<string, IssuedPair>>;
}

export interface Peers extends AsyncDisposable {
  readonly pebble: Pebble;
  readonly haproxy: Haproxy;
  readonly nginx: Nginx;
  /** Serves plain files; renewd only knows a reload command for it. */
  readonly plain: Nginx;
  readonly acm: AcmFake;
  /** What the CA and renewd ask; it finds the name server that `renewd run` has on `dnsPort`. */
  readonly resolver: DemoResolver;
  readonly dnsPort: number;
  readonly estate: Estate;
}

/** Starts everything on loopback ports of its own; what was started is stopped again even if a later one fails. */
export async function startPeers(): Promise<Peers> {
  await using started = new AsyncDisposableStack();
  const old = await oldPairs();
  const { expired, window, renamed, wildcard, healthy, broken, placeholder } = old;
  const dnsPort = await freePort();
  const aliases = { [`_acme-challenge.${WILDCARD}`]: delegatedName(WILDCARD, DNS_ZONE) };
  const resolver = started.use(await startDemoResolver({ name: DNS_ZONE, port: dnsPort, aliases }));
  const [pebble, haproxy, nginx, plain, acm] = await Promise.all([
    startPebble({ dnsServer: `127.0.0.1:${resolver.port}` }).then((peer) => started.use(peer)),
    startHaproxy({ certificates: { expired, renamed, wildcard, healthy, broken } }).then((peer) => started.use(peer)),
    startNginx({ certificates: { window: { serverNames: ["window.demo.test"], ...window } } }).then((peer) =>
      started.use(peer),
    ),
    startNginx({ certificates: { missing: { serverNames: ["missing.demo.test"], ...placeholder } } }).then((peer) =>
      started.use(peer),
    ),
    startAcmFake().then((peer) => started.use(peer)),
  ]);
  const stack = started.move();
  const stop = (): Promise<void> => stack.disposeAsync();
  return {
    pebble,
    haproxy,
    nginx,
    plain,
    acm,
    resolver,
    dnsPort,
    estate: { pairs: { expired, window, renamed, wildcard, healthy, broken } },
    [Symbol.asyncDispose]: stop,
  };
}

type Old = Record<"expired" | "window" | "renamed" | "wildcard" | "healthy" | "broken" | "placeholder", IssuedPair>;

/**
 * An expired certificate, one inside its window, one with an old name, a wildcard inside its window, one healthy, one
 * expiring behind a broken target.
 */
async function oldPairs(): Promise<Old> {
  const now = Date.now();
  const ca = await createRoot({ name: "Old tooling CA" });
  const issue = (name: string, ageDays: number, ...others: string[]): Promise<IssuedPair> => {
    const notBefore = new Date(now - ageDays * DAY_MS);
    const notAfter = new Date(notBefore.getTime() + LIFETIME_DAYS * DAY_MS);
    return ca.issue({ names: [name, ...others], notBefore, notAfter });
  };
  const [expired, window, renamed, wildcard, healthy, broken, placeholder] = await Promise.all([
    issue("expired.demo.test", 93),
    issue("window.demo.test", 75),
    issue("old-name.demo.test", 10),
    issue(WILDCARD, 70, `*.${WILDCARD}`),
    issue("healthy.demo.test", 5),
    issue("broken.demo.test", 80),
    issue("placeholder.demo.test", 1),
  ]);
  return { expired, window, renamed, wildcard, healthy, broken, placeholder };
}
