import { it } from "vitest";
import { expectEachAlertOnce } from "../../support/model/alertOutbox.ts";

it("each alert and each end of one reaches both channels once, after 20 deaths and an hour without one of them", () =>
  expectEachAlertOnce(1));
