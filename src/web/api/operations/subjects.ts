import { z } from "zod";
import { certificateNamed } from "../../../actions/context.ts";
import { toRenewalError } from "../../../domain/errors.ts";
import type { WebContext } from "../../context.ts";
import { HttpProblem } from "../../problem.ts";

const NAME_MAX = 100;

export const certificateParams = z.strictObject({
  certificate: z.string().max(NAME_MAX).describe("Its name in the configuration."),
});
export const replacementParams = z.strictObject({ replacement: z.string().min(1).max(NAME_MAX).describe("Its id.") });
export const renewalParams = z.strictObject({ renewal: z.string().max(NAME_MAX).describe("Its id.") });

/** Throws 404 for what is neither configured nor known from before. */
export async function assertCertificate(web: WebContext, name: string): Promise<void> {
  const { services, store } = web.renewal;
  if (services.certificate(name) !== null || (await store.certificates.get(name)) !== null) return;
  throw new HttpProblem(404, `there is no certificate "${name}"`);
}

/** What `find` refuses is not there: throws 404. */
export async function orNotFound<T>(find: () => Promise<T>): Promise<T> {
  try {
    return await find();
  } catch (thrown) {
    const { code, message } = toRenewalError(thrown);
    if (code !== "request.invalid") throw thrown;
    throw new HttpProblem(404, message);
  }
}

/** Throws 404, with the nearest name. */
export function assertConfigured(web: WebContext, name: string): void {
  try {
    certificateNamed(web.estate().certificates, name);
  } catch (thrown) {
    throw new HttpProblem(404, toRenewalError(thrown).message);
  }
}
