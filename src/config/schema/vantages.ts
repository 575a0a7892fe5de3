import { z } from "zod";
import { name } from "./named.ts";

/** Each takes its part of every verification, one after the other. */
const VANTAGES_MAX = 10;

/** Names of networks that endpoints are dialled from. */
export const vantagesSchema = z
  .array(name)
  .max(VANTAGES_MAX)
  .refine((names) => new Set(names).size === names.length, "names a vantage twice: remove one");
