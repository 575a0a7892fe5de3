import type { Desk } from "./desk.ts";

export function remoteDesk(_at: { readonly server: string; readonly token: string | undefined }): Desk {
  throw new Error("not yet");
}
