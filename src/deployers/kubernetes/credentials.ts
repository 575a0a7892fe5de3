import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { User } from "@kubernetes/client-node";
import { z } from "zod";
import type { CredentialEnd } from "../../domain/horizon.ts";
import { SECOND_MS } from "../../domain/time.ts";
import { fileError } from "../base/fileError.ts";

/** RFC 7519 §4.1: seconds since epoch. */
const claims = z.object({ exp: z.number(), iat: z.number().optional() });

/**
 * When the client certificate and the token that a kubeconfig names end. Programs and files that give a new one for each
 * use tell nothing.
 */
export async function credentialEnds({ certData, certFile, token }: User): Promise<CredentialEnd[]> {
  const pem = certData === undefined ? await contentOf(certFile) : Buffer.from(certData, "base64");
  return [...certificateEnd(pem), ...tokenEnd(token)];
}

async function contentOf(file: string | undefined): Promise<Buffer | null> {
  if (file === undefined) return null;
  return readFile(file).catch((error: unknown) => {
    throw fileError(error, file);
  });
}

function certificateEnd(pem: Buffer | null): CredentialEnd[] {
  if (pem === null) return [];
  const { validFromDate, validToDate } = new X509Certificate(pem);
  const times = { ends: validToDate.getTime(), begins: validFromDate.getTime() };
  return [{ what: "client certificate", ...times, note: "of the kubeconfig" }];
}

/** A service account's token says when it ends; one of a secret never does (RFC 7519). */
function tokenEnd(token: string | undefined): CredentialEnd[] {
  if (token === undefined || token === "") return [];
  const { exp = null, iat = null } = claims.safeParse(bodyOf(token)).data ?? {};
  const inMs = (seconds: number | null): number | null => (seconds === null ? null : seconds * SECOND_MS);
  return [{ what: "token", ends: inMs(exp), begins: inMs(iat), note: "of the kubeconfig" }];
}

function bodyOf(token: string): unknown {
  try {
    return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8"));
  } catch {
    return null;
  }
}
