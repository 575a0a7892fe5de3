import { subscribe } from "node:diagnostics_channel";

/**
 * Preloaded (`node --import`) into a process of renewd: requests to its http-01 responder whose path begins with
 * /plant- cause faults inside that role, as a bug there would.
 */
subscribe("http.server.request.start", (message) => {
  const { url } = (message as { readonly request: { readonly url?: string } }).request; // As Node documents the channel.
  if (url === "/plant-rejection") void Promise.reject(new TypeError("planted, with a secret: hunter2"));
  if (url === "/plant-throw")
    setTimeout(() => {
      throw new RangeError("planted");
    });
});
