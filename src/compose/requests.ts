/** The door to the queue `renewal-requests` for entry points, which know the queue's types only. */
export { describeRedis } from "../queue/options.ts";
export { requestRenewal as addRequest, waitForRequest } from "../queue/requests.ts";
