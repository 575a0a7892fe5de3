/** What targets left behind, without the vendors' clients that `index.ts` names. */
export { removeLeftFiles } from "./files/removeLeft.ts";
