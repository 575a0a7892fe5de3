import { dirname, join } from "node:path";
import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";

const PLACEHOLDER = "{certificate}";

// No control characters (HAProxy's CLI and logs are line-based), no trailing slash.
const FILE_PATH = /^\P{Cc}*[^\p{Cc}/]$/u;

/** Doubled slashes and dots that `join` would take out. */
const UNTIDY = /^[^/]|\/(?:\/|\.\.?(?:\/|$))/;

const pathPattern = z
  .string()
  .max(1024)
  .regex(FILE_PATH, "must name a file")
  .refine((path) => !path.split("/").includes(".."), "must not contain `..`")
  .refine((path) => !/[{}]/.test(path.replaceAll(PLACEHOLDER, "")), `knows no placeholder but ${PLACEHOLDER}`);

/** A file path option, absolute; every `{certificate}` in it stands for the certificate's name. */
export const absolutePath = pathPattern.refine((path) => path.startsWith("/"), "must be absolute");

/** As `absolutePath`, or relative to a directory option. */
export const relativePath = pathPattern;

/**
 * The one place that turns a path option into a path. Throws `deploy.refused` for a certificate name that would lead
 * out of the directory.
 */
export function resolveTargetPath(pattern: string, certificate: string): string {
  // Configuration allows no such name; this protects the file system if one arrives another way.
  if (!/^[^\p{Cc}/\\]{1,255}$/u.test(certificate) || certificate === "." || certificate === "..") {
    throw new RenewalError(
      "deploy.refused",
      `the certificate name ${JSON.stringify(certificate)} cannot be part of a file name`,
    );
  }
  if (pattern.includes("..") && pattern.split("/").includes(".."))
    throw new RenewalError("deploy.refused", `${JSON.stringify(pattern)} leads out of its directory through \`..\``);
  // A name, which holds no slash and is no dot, leaves a tidy pattern tidy. Of a large fleet most patterns are.
  const path = pattern.replaceAll(PLACEHOLDER, () => certificate);
  return UNTIDY.test(pattern) ? join("/", path) : path;
}

/** The directory that contains every file of this pattern: its part before the first placeholder. It must exist. */
export function rootOf(pattern: string): string {
  const [fixed = ""] = pattern.split(PLACEHOLDER, 1);
  return fixed.length === pattern.length ? dirname(pattern) : dirname(`${fixed}x`);
}

/** Where a pattern leads for one certificate, as FileToWrite has it. */
export function placeOf(pattern: string, certificate: string): { readonly path: string; readonly root: string } {
  return { path: resolveTargetPath(pattern, certificate), root: rootOf(pattern) };
}
