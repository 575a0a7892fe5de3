import { Hono, type Context as Request } from "hono";
import { freezesOf, icalendar } from "../reports/calendar.ts";
import { horizonReport } from "../reports/horizon.ts";
import { isSame } from "./auth/actor.ts";
import { CALENDAR_FEED_PATH } from "./auth/session.ts";
import type { WebContext, WebEnv, WebRoutes } from "./context.ts";
import { fleetOf } from "./fleet.ts";
import { HttpProblem } from "./problem.ts";
import { textStream } from "./textStream.ts";

/**
 * The calendar as a file for who is signed in, and as a feed for calendar programs, which send no header: their URL
 * carries a token that is good for reading dates and nothing else. A new master key ends all of them.
 */
export function calendarFeedRoutes(web: WebContext): WebRoutes {
  const routes = new Hono<WebEnv>();
  routes.get("/calendar.ics", async (request) => {
    request.header("content-disposition", 'attachment; filename="renewd.ics"');
    return calendar(request, web);
  });
  routes.get(CALENDAR_FEED_PATH, async (request) => {
    if (!isSame(request.req.query("token") ?? "", calendarToken(web)))
      throw new HttpProblem(401, "the calendar's token is missing or wrong", {
        action: "Take the address from the page Calendar.",
      });
    return calendar(request, web);
  });
  return routes;
}

/** Derived from the master key: every web process of the installation has the same. */
export function calendarToken({ renewal: { store }, installation }: WebContext): string {
  return store.alerts.sign(`calendar feed of ${installation}`);
}

async function calendar(request: Request<WebEnv>, web: WebContext): Promise<Response> {
  const { certificates: rows, at } = await fleetOf(web).read();
  const { ends } = await horizonReport(web.renewal.store, null, at);
  const content = { rows, freezes: freezesOf(web.estate().certificates, at), ends };
  return request.body(await textStream(icalendar(content, at)), 200, {
    "content-type": "text/calendar; charset=utf-8",
  });
}
