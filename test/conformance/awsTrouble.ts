// What every target in AWS does when AWS is in trouble, through the real SDK.
import { inspect } from "node:util";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Deployer } from "../../src/domain/deployer.ts";
import { toRenewalError } from "../../src/domain/errors.ts";
import type { IssuedCertificate } from "../../src/domain/version.ts";
import { type AwsServiceFake, useAwsTestCredentials } from "../support/fakes/aws.ts";
import { createPairIssuer } from "../support/pairs/issuedPairs.ts";

export interface AwsKind<Fake extends AwsServiceFake> {
  readonly type: string;
  /** In permissions, such as `acm`. */
  readonly permissions: string;
  /** The service's words for being throttled. */
  readonly throttled: string;
  /** First action of a deploy and of a preflight. */
  readonly look: string;
  /** The action that hands over the first pair. */
  readonly hand: string;
  start(): Promise<Fake>;
  make(fake: Fake, more: Record<string, unknown>): Deployer;
}

const NEVER = new AbortController().signal;

export function awsTrouble<Fake extends AwsServiceFake>(kind: AwsKind<Fake>): void {
  describe(`${kind.type}, when AWS is in trouble,`, () => {
    let fake: Fake;
    let pair: IssuedCertificate;
    beforeAll(async () => {
      useAwsTestCredentials();
      pair = await (await createPairIssuer()).issue({ certificate: "trouble", generation: 1 });
    });
    beforeEach(async () => {
      fake = await kind.start();
    });
    afterEach(() => fake.stop());

    const deploy = (more: Record<string, unknown> = {}, signal = NEVER) =>
      kind.make(fake, more).deploy({ pair, previous: null }, signal);

    it("asks once when throttled, and says when the next attempt is allowed", async () => {
      fake.disturb(kind.look, { fault: kind.throttled, message: "Rate exceeded", retryAfter: 120 });
      const before = Date.now();
      const error = toRenewalError(await deploy().catch((thrown: unknown) => thrown));
      expect(error).toMatchObject({ code: "deploy.rateLimited", message: expect.stringContaining("Rate exceeded") });
      expect(error.retryAt).toBeGreaterThanOrEqual(before + 120_000);
      expect(error.retryAt).toBeLessThanOrEqual(Date.now() + 120_000);
      expect(fake.actions).toEqual([kind.look]);
    });

    it("names the missing permission, in preflight and when deploying", async () => {
      fake.disturb(kind.look, { fault: "AccessDeniedException", message: "not authorized", status: 403 });
      const refusal = (action: string) => ({
        code: "deploy.forbidden",
        message: expect.stringContaining(`${kind.permissions}:${action}`),
      });
      await expect(kind.make(fake, {}).preflight?.("trouble", null, NEVER)).rejects.toMatchObject(refusal(kind.look));
      fake.disturb(kind.hand, { fault: "AccessDeniedException", message: "not authorized", status: 403 });
      await expect(deploy()).rejects.toMatchObject(refusal(kind.hand));
    });

    it("hides a private key that AWS quotes in its complaint", async () => {
      fake.disturb(kind.hand, {
        fault: "ValidationException",
        message: `Value '${pair.privateKey.reveal()}' failed to satisfy constraint`,
      });
      const error: unknown = await deploy().catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        code: "deploy.refused",
        message: expect.stringContaining("repeats a private key"),
      });
      const shown = inspect(error, { depth: 10, showHidden: true, maxStringLength: null });
      for (const line of pair.privateKey
        .reveal()
        .split("\n")
        .filter((text) => text.length > 8 && !text.startsWith("-")))
        expect(shown).not.toContain(line);
    });

    it("tells an endpoint that does not answer from one that is not there", async () => {
      fake.disturb(kind.look, "hang");
      await expect(deploy({ timeout: "200ms" })).rejects.toMatchObject({
        code: "deploy.timeout",
        message: expect.stringContaining(kind.look),
      });
      const gone = fake;
      fake = await kind.start();
      await gone.stop();
      await expect(kind.make(gone, {}).deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject({
        code: "deploy.unreachable",
        message: expect.stringContaining("ECONNREFUSED"),
      });
    });

    it("stops waiting at once when cancelled", async () => {
      fake.disturb(kind.look, "hang");
      const controller = new AbortController();
      const reason = new Error("shutting down");
      const running = deploy({}, controller.signal);
      controller.abort(reason);
      await expect(running).rejects.toBe(reason);
    });

    it("does not repeat a call whose answer was lost, and finds what it did the next time", async () => {
      fake.disturb(kind.hand, "reset");
      await expect(deploy()).rejects.toMatchObject({ code: "deploy.unreachable" });
      await deploy();
      expect(fake.actions.filter((action) => action === kind.hand)).toHaveLength(1);
    });
  });
}
