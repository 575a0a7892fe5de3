// What every deployer promises (src/domain/deployer.ts), tried on its real peer.
import { X509Certificate } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Deployer, InstalledPair } from "../../src/domain/deployer.ts";
import type { DeployReceipt } from "../../src/domain/deployment.ts";
import type { HeldElsewhere } from "../../src/domain/discovery.ts";
import { RenewalError } from "../../src/domain/errors.ts";
import type { ErrorCode } from "../../src/domain/errorTable.ts";
import type { IssuedCertificate } from "../../src/domain/version.ts";
import { readLeaf } from "../../src/x509/leaf.ts";
import type { IssuedPair } from "../support/ca/pki.ts";
import { createPairIssuer, mismatched, type PairIssuer } from "../support/pairs/issuedPairs.ts";
import type { Planted } from "../support/pairs/plantFiles.ts";
import { until, within } from "../support/until.ts";
import { expectNoPiece, keysFor, shownOf } from "./keyEcho.ts";

export interface DeployerPeer extends AsyncDisposable {
  readonly deployer: Deployer;
  /** The target has no place for the generation, nor shows what it holds: only the receipt of the last deploy tells. */
  readonly receiptOnly?: true;
  /** SHA-256 fingerprint of what clients of the target see now; null: nothing. */
  served(certificate: string): Promise<string | null>;
  /** The same for what it will serve after a restart. MUST throw when key and certificate stored there do not match. */
  stored(certificate: string): Promise<string | null>;
  /** The target neither shows its key nor takes one that does not match, so no foreign key can be planted. */
  readonly keyHidden?: true;
  /** It refuses a certificate without its chain, so none can lose it there. */
  readonly chainRequired?: true;
  /** The target does not show which certificate it holds, only whether there is one. */
  readonly certificateHidden?: true;
  /** Changes what the target holds for the conformance certificate, at once and behind renewd's back. */
  plant?(planted: Planted): Promise<void>;
  /** Lets every deploy fail from now on, as late as this target can fail; returns how to mend it. */
  breakDown(): Promise<{ readonly mend: () => Promise<void>; readonly code: ErrorCode }>;
  /**
   * For targets that answer or print: from now on a deploy fails with this text in all that they say. `inErrorText`:
   * where the vendor documents an error text; otherwise it is the whole answer. Returns how to stop it.
   */
  repeats?(text: string, inErrorText: boolean): Promise<() => Promise<void>> | (() => void);
  /** For targets behind a network API: the call that changes it is never answered from now on. */
  fallSilent?(): { readonly asked: () => boolean; readonly mend: () => void };
}

const NEVER = new AbortController().signal;
/** Far below every time limit of a call. */
const CANCEL_MAX_MS = 5_000;
/** The peer serves this certificate; each test brings it to its own generations, always rising. */
const NAME = "conform";

/** As an inspection names the certificate that follows each leaf. */
function chainOf({ intermediate }: PairIssuer): string {
  return readLeaf(intermediate.certPem).fingerprint;
}

function textsOf({ leafPem, chainPem, privateKey }: IssuedCertificate): IssuedPair {
  return { certPem: leafPem + chainPem.join(""), keyPem: privateKey.reveal() };
}

export function deployerConformance(
  type: string,
  start: (issuer: PairIssuer) => Promise<DeployerPeer>,
  keyType: "ecdsa-p256" | "rsa-2048" = "ecdsa-p256",
): void {
  describe(`deployer ${type}`, () => {
    let issuer: PairIssuer;
    let peer: DeployerPeer;
    let generation = 0;
    const shown: unknown[] = [];
    const keys: string[] = [];

    const next = async (): Promise<IssuedCertificate> => {
      generation += 1;
      const pair = await issuer.issue({ certificate: NAME, generation });
      keys.push(pair.privateKey.reveal());
      return pair;
    };
    const deploy = async (
      pair: IssuedCertificate,
      previous: DeployReceipt | null = null,
      signal = NEVER,
    ): Promise<DeployReceipt> => {
      try {
        const receipt = await peer.deployer.deploy({ pair, previous }, signal);
        shown.push(receipt);
        return receipt;
      } catch (error) {
        shown.push(error);
        throw error;
      }
    };
    const inspected = async (previous: DeployReceipt | null): Promise<InstalledPair | null | undefined> => {
      const found = await peer.deployer.inspect?.({ certificate: NAME, previous }, NEVER);
      shown.push(found);
      return found;
    };
    const holds = async (pair: IssuedCertificate): Promise<void> => {
      await expect.poll(() => peer.served(NAME), { timeout: 15_000 }).toBe(pair.leaf.fingerprint);
      expect(await peer.stored(NAME)).toBe(pair.leaf.fingerprint);
    };

    beforeAll(async () => {
      issuer = await createPairIssuer(keyType);
      peer = await start(issuer);
    });
    afterAll(async () => {
      await peer?.[Symbol.asyncDispose]();
    });

    it("passes its own preflight on a healthy target", async () => {
      const pair = await issuer.issue({ certificate: NAME, generation: 1 });
      await expect(peer.deployer.preflight?.(NAME, null, NEVER)).resolves.toBeUndefined();
      await expect(peer.deployer.preflight?.(NAME, pair.leaf, NEVER)).resolves.toBeUndefined();
    });

    it("lets the target serve the pair, and the next generation after it", async () => {
      for (const pair of [await next(), await next()]) {
        await deploy(pair);
        await holds(pair);
      }
    });

    it("deploys the same pair twice to the same effect", async () => {
      const pair = await next();
      const first = await deploy(pair);
      const second = await deploy(pair, peer.receiptOnly ? first : null);
      expect(second).toEqual(first);
      await holds(pair);
    });

    it("takes back its own receipt after the database had it", async () => {
      const receipt = await deploy(await next());
      const stored: DeployReceipt = JSON.parse(JSON.stringify(receipt));
      expect(stored).toEqual(receipt);
      for (const value of Object.values(stored)) expect(["string", "number"]).toContain(typeof value);
      const pair = await next();
      await deploy(pair, stored);
      await holds(pair);
    });

    it("refuses an older generation and leaves the newer one serving", async () => {
      const [older, newer] = [await next(), await next()];
      const receipt = await deploy(newer);
      await holds(newer);
      for (const previous of peer.receiptOnly ? [receipt] : [receipt, null])
        await expect(deploy(older, previous)).rejects.toMatchObject({ code: "deploy.newerGeneration" });
      await holds(newer);
    });

    it("refuses a pair whose key does not match before touching anything", async () => {
      const serving = await next();
      await deploy(serving);
      await expect(deploy(await mismatched(issuer, await next()))).rejects.toMatchObject({ code: "deploy.badPair" });
      await holds(serving);
    });

    it("keeps the serving pair when the target fails, and finishes once it is mended", async () => {
      const serving = await next();
      await deploy(serving);
      await holds(serving);
      const pair = await next();
      const { mend, code } = await peer.breakDown();
      try {
        await expect(deploy(pair)).rejects.toMatchObject({ name: "RenewalError", code });
        expect([serving.leaf.fingerprint, pair.leaf.fingerprint]).toContain(await peer.stored(NAME));
      } finally {
        await mend();
      }
      // A reloaded nginx's old workers may answer once more after a new one has: only what stays counts.
      const whole: (string | null)[] = [serving.leaf.fingerprint, pair.leaf.fingerprint];
      await expect.poll(async () => whole.includes(await peer.served(NAME)), { timeout: 15_000 }).toBe(true);
      await deploy(pair);
      await holds(pair);
    });

    it("says in an inspection what the target holds, and changes nothing", async () => {
      if (peer.deployer.inspect === undefined) {
        expect(peer.plant).toBeUndefined();
        return;
      }
      const pair = await next();
      const receipt = await deploy(pair);
      await holds(pair);
      for (const previous of [receipt, null]) {
        const found = await inspected(previous);
        if (peer.certificateHidden) {
          expect(found).toBeNull();
          continue;
        }
        expect(found).toMatchObject({ fingerprint: pair.leaf.fingerprint, problems: [] });
        expect(found?.keyMatches).not.toBe(false);
        if (found?.chain !== undefined) expect(found.chain).toEqual([chainOf(issuer)]);
      }
      await holds(pair);
      expect(await deploy(pair, peer.receiptOnly ? receipt : null)).toEqual(receipt);
    });

    it("lists what its credentials show, certificates alone", async () => {
      const { held } = peer.deployer;
      if (held === undefined) return expect(peer.deployer).not.toHaveProperty("held");
      const pair = await next();
      await deploy(pair);
      const found: HeldElsewhere[] = [];
      await held((each) => found.push(each), NEVER);
      const leaves = found.map(({ certificate }) => new X509Certificate(certificate).fingerprint256);
      expect(leaves).toContain(new X509Certificate(pair.leafPem).fingerprint256);
      const key = pair.privateKey.reveal().replace(/-----[^-]+-----|\s/g, "");
      expect(JSON.stringify(found)).not.toContain(key.slice(40, 80));
      expect(JSON.stringify(found)).not.toMatch(/PRIVATE/);
    });

    it("finds an old pair, a foreign key, a cut chain and a removed pair in an inspection, and a deploy heals each", async () => {
      const [old, pair] = [await next(), await next()];
      const foreign = await mismatched(issuer, pair);
      await deploy(old);
      const receipt = await deploy(pair);
      await holds(pair);
      const heals = async (): Promise<void> => {
        await deploy(pair, receipt);
        await holds(pair);
        expect(await inspected(receipt)).toMatchObject({ fingerprint: pair.leaf.fingerprint, problems: [] });
      };
      if (peer.plant === undefined) return await holds(pair);
      await peer.plant(textsOf(old));
      expect((await inspected(receipt))?.fingerprint).toBe(old.leaf.fingerprint);
      await heals();
      if (!peer.keyHidden) {
        await peer.plant(textsOf(foreign));
        expect(await inspected(receipt)).toMatchObject({ fingerprint: pair.leaf.fingerprint, keyMatches: false });
        await heals();
      }
      if (!peer.chainRequired) await peer.plant({ ...textsOf(pair), certPem: pair.leafPem });
      const cut = await inspected(receipt);
      if (cut?.chain !== undefined && !peer.chainRequired) {
        expect(cut).toMatchObject({ fingerprint: pair.leaf.fingerprint, chain: [] });
        await heals();
        expect(await inspected(receipt)).toMatchObject({ chain: [chainOf(issuer)] });
      }
      await peer.plant(null);
      const removed = await inspected(receipt);
      expect(removed?.fingerprint).toBeNull();
      expect(removed?.problems.join()).toContain("missing");
      await heals();
    });

    it("does nothing when it was cancelled before it began", async () => {
      const serving = await next();
      await deploy(serving);
      const stop = new Error("stop");
      await expect(deploy(await next(), null, AbortSignal.abort(stop))).rejects.toBe(stop);
      await holds(serving);
    });

    it("leaves a whole pair, old or new, when it is cancelled in between", async () => {
      let serving = await next();
      await deploy(serving);
      await holds(serving);
      for (const turns of [1, 2, 4, 8, 16, 32, 64]) {
        const pair = await next();
        const controller = new AbortController();
        const ended = deploy(pair, null, controller.signal).then(
          () => "deployed",
          (error) => (controller.signal.aborted ? "cancelled" : error),
        );
        for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
        controller.abort();
        expect(["deployed", "cancelled"]).toContain(await ended);
        expect([serving.leaf.fingerprint, pair.leaf.fingerprint]).toContain(await peer.stored(NAME));
        await deploy(pair);
        await holds(pair);
        serving = pair;
      }
    });

    // A target without a network between has nothing to be silent.
    it("ends at once when it is cancelled while its target is silent, and finishes once that answers", async () => {
      const silence = peer.fallSilent?.();
      const pair = await next();
      if (silence !== undefined) {
        const controller = new AbortController();
        const stop = new Error("stop");
        const ended = deploy(pair, null, controller.signal).then(
          () => "deployed",
          (error: unknown) => error,
        );
        await until("the target to be asked", async () => (silence.asked() ? true : null));
        controller.abort(stop);
        expect(await within("the cancelled deploy to end", ended, CANCEL_MAX_MS)).toBe(stop);
        silence.mend();
      }
      await deploy(pair);
      await holds(pair);
    });

    it("shows no piece of a key that its target repeats, however it writes it", async () => {
      await deploy(await next());
      if (peer.repeats === undefined) return;
      // RSA keys take long to create.
      const pairs = await Promise.all(Array.from({ length: keysFor(keyType) }, next));
      const unrecorded = (pair: IssuedCertificate) => peer.deployer.deploy({ pair, previous: null }, NEVER);
      await expectNoPiece({ type, pairs, deploy: unrecorded, repeats: peer.repeats.bind(peer) });
      await deploy(pairs.at(-1) ?? expect.unreachable());
    });

    it("showed no private key in any receipt or error of the tests above", () => {
      const bodies = keys.flatMap((key) =>
        key.split("\n").filter((line) => line.length > 8 && !line.startsWith("-----")),
      );
      const text = shown.map(shownOf).join("\n");
      expect(bodies.length).toBeGreaterThan(10);
      expect(shown.some((one) => one instanceof RenewalError)).toBe(true);
      expect(bodies.filter((body) => text.includes(body))).toEqual([]);
    });
  });
}
