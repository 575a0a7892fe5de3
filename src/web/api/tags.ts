import { createHash } from "node:crypto";
import { takingTurns } from "../../domain/turns.ts";
import { HttpProblem } from "../problem.ts";
import { jsonPieces } from "./jsonPieces.ts";

/** As sentences for people say how long ago something was, or how long it will take. */
const HOW_LONG = /\b\d+ (?:ms|s|min|h|d)\b(?: \d+ (?:s|min|h|d)\b)*/g;

/**
 * Names a state of a resource. The instant of the answer, and what passes by itself, are no part of it. Strong: what
 * changes a resource compares it (RFC 9110 §13.1.1).
 */
export async function entityTag(answer: object): Promise<string> {
  const hash = createHash("sha256");
  const turn = takingTurns();
  for (const piece of jsonPieces(answer, lasting)) {
    hash.update(piece);
    await turn();
  }
  return `"${hash.digest("base64url").slice(0, 22)}"`;
}

function lasting(key: string, value: unknown): unknown {
  if (key === "at" || key === "elapsedMs") return undefined;
  return typeof value === "string" ? value.replace(HOW_LONG, "…") : value;
}

/** Whether the client has this state already: `If-None-Match`. */
export function isKnown(header: string | null, tag: string): boolean {
  return header !== null && listed(header).some((each) => each === "*" || each.replace(/^W\//, "") === tag);
}

/** Throws 412 when what the client has seen is not what there is: `If-Match`. */
export function assertUnchanged(header: string | null, tag: string): void {
  if (header === null || listed(header).some((each) => each === "*" || each === tag)) return;
  throw changedMeanwhile();
}

export function changedMeanwhile(): HttpProblem {
  return new HttpProblem(412, "it has changed since it was read: read it again and decide again", {
    action: "Read the resource again and send its new ETag.",
  });
}

function listed(header: string): string[] {
  return header
    .slice(0, 2_000)
    .split(",")
    .map((each) => each.trim());
}
