import { expect, it } from "vitest";
import { lostOrDoubledAlerts } from "../../support/model/alertOutbox.ts";

it("each alert and each end of one reaches both channels once, after 20 deaths and an hour without one of them", async () =>
  // Of this seed, one dies after a receipt was stored and before the cursor was moved.
  expect(await lostOrDoubledAlerts(4)).toEqual([]));
