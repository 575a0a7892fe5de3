import type { DeployReceipt } from "./deployment.ts";

/** A target that left a certificate's configuration, and still holds what was deployed there. */
export interface LeftTarget {
  readonly certificate: string;
  readonly target: string;
  /** Of the last successful deploy. */
  readonly receipt: DeployReceipt;
  /** ms since epoch. */
  readonly leftAt: number;
}

/** Members of receipts that name the place of the pair, not the pair. */
const PLACE = /^(?:file|arn(?:\..+)?|secret|certificate|path|name|id|url|record)$/;

/** The file that holds the pair on the machine of the deployer; null: none, or it is on another machine. */
export function leftFile({ receipt }: LeftTarget): string | null {
  const { file, host } = receipt;
  return typeof file === "string" && file.startsWith("/") && host === undefined ? file : null;
}

/** Where the pair is, for people; the target's name alone where the receipt does not say. */
export function leftPlaces({ target, receipt }: LeftTarget): readonly string[] {
  const host = typeof receipt.host === "string" ? `${receipt.host}:` : "";
  const named = Object.entries(receipt).flatMap(([name, value]) =>
    typeof value === "string" && PLACE.test(name) ? [name === "file" ? host + value : value] : [],
  );
  return named.length > 0 ? named : [target];
}

/** Targets that left the configuration and still hold a pair. */
export interface LeftTargetStore {
  list(): Promise<LeftTarget[]>;
  add(left: LeftTarget): Promise<void>;
  remove(left: Pick<LeftTarget, "certificate" | "target">): Promise<void>;
}
