import type { Context as Request } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import { html } from "hono/html";
import type { WebEnv } from "../context.ts";
import { HttpProblem } from "../problem.ts";
import type { PageFacts } from "./facts.ts";
import { foreign, type Html, NOTHING } from "./parts/markup.ts";
import { VIEWS_COOKIE } from "./viewsCookie.ts";

/** A query under a name, kept by this browser: the same link works for everybody. */
interface SavedView {
  readonly list: string;
  readonly name: string;
  readonly query: string;
}

const VIEWS_MAX = 12;
const NAME_LENGTH_MAX = 40;
const QUERY_LENGTH_MAX = 200;
/** Browsers keep at most 4,096 bytes of a cookie. */
const BYTES_MAX = 3_500;
const KEPT_S = 365 * 86_400;

/** What people ask for most, and what they saved. */
const BUILT_IN: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  certificates: [
    ["Needs a person", "?person=yes"],
    ["Within 7 days", "?expires=past&expires=1d&expires=7d&sort=expires"],
    ["In flight", "?flight=yes"],
    ["Not ready for 47 days", "?ready=no"],
  ],
  endpoints: [
    ["Not served", "?state=notServed"],
    ["Proof too old", "?state=unknown"],
    ["Never dialled", "?state=unseen"],
  ],
  inventory: [
    ["By nobody", "?managed=unmanaged"],
    ["Ends first", "?sort=ends"],
    ["New first", "?sort=-seen"],
  ],
  targets: [
    ["Not current", "?state=failing&state=drifted&state=behind"],
    ["Failing", "?state=failing"],
  ],
  alerts: [
    ["Calls a person", "?person=yes"],
    ["Acknowledged", "?acknowledged=yes"],
  ],
  history: [
    ["Failed", "?q=state%3Afailed+state%3Aheld+state%3ArolledBack"],
    ["Last 24 hours", "?q=since%3A24h"],
    ["By people", "?q=trigger%3Arequest"],
    ["Decisions", "?q=certificate.&view=events"],
    ["Sign-ins", "?q=access.&view=events"],
  ],
};

export function savedViews({ here, cookies, path }: PageFacts, list: string, query: string): Html {
  const saved = readViews(cookies).filter((view) => view.list === list);
  const links = [
    ...(BUILT_IN[list] ?? []).map(([name, to]) => ({ name, to, isSaved: false })),
    ...saved.map(({ name, query: to }) => ({ name, to, isSaved: true })),
  ];
  return html`<nav class="views" aria-label="Saved views">
    <ul>
      ${links.map(({ name, to, isSaved }) => {
        const mark = to === query ? html` aria-current="true"` : NOTHING;
        const remove = isSaved
          ? html`<form method="post" action="/views/remove"><input type="hidden" name="list" value="${list}" /><input
            type="hidden" name="name" value="${name}" /><input type="hidden" name="back" value="${here}" /><button
              class="link" aria-label="Remove view ${foreign(name)}">×</button></form>`
          : NOTHING;
        return html`<li><a href="${path}${to}"${mark}>${foreign(name)}</a>${remove}</li>`;
      })}
      ${query === "" || links.some(({ to }) => to === query) ? NOTHING : saveForm(list, query, here)}
    </ul>
  </nav>`;
}

function saveForm(list: string, query: string, here: string): Html {
  return html`<li><details class="save" hx-morph-skip><summary>Save this view</summary>
    <form method="post" action="/views">
      <input type="hidden" name="list" value="${list}" /><input type="hidden" name="query" value="${query}" />
      <input type="hidden" name="back" value="${here}" />
      <label>Name <input name="name" required maxlength="${NAME_LENGTH_MAX}" /></label> <button>Save</button>
    </form></details></li>`;
}

/** Throws a problem that says what is wrong. */
export function saveView(request: Request<WebEnv>, { list, name, query }: SavedView): void {
  const title = name.trim();
  if (title === "" || title.length > NAME_LENGTH_MAX)
    throw new HttpProblem(400, `name: must be 1 to ${NAME_LENGTH_MAX} characters`);
  if (!Object.hasOwn(BUILT_IN, list)) throw new HttpProblem(400, "list: there is no such list");
  if (query.length > QUERY_LENGTH_MAX || !/^\?[\x21-\x7e]*$/.test(query))
    throw new HttpProblem(400, `query: must begin with ? and have at most ${QUERY_LENGTH_MAX} characters`);
  const others = readViews(getCookie(request, VIEWS_COOKIE)).filter(
    (view) => view.list !== list || view.name !== title,
  );
  writeViews(request, [...others, { list, name: title, query }]);
}

export function removeView(request: Request<WebEnv>, { list, name }: Omit<SavedView, "query">): void {
  writeViews(
    request,
    readViews(getCookie(request, VIEWS_COOKIE)).filter((view) => view.list !== list || view.name !== name),
  );
}

function writeViews(request: Request<WebEnv>, views: readonly SavedView[]): void {
  const value = Buffer.from(JSON.stringify(views.map(({ list, name, query }) => [list, name, query]))).toString(
    "base64url",
  );
  if (views.length > VIEWS_MAX || value.length > BYTES_MAX)
    throw new HttpProblem(400, `a browser keeps at most ${VIEWS_MAX} views: remove one first`);
  const secure = new URL(request.req.url).protocol === "https:";
  setCookie(request, VIEWS_COOKIE, value, { path: "/", httpOnly: true, sameSite: "Lax", secure, maxAge: KEPT_S });
}

/** Written by this browser, or by anybody who could: what makes no sense is left out. */
export function readViews(cookie: string | undefined): SavedView[] {
  if (cookie === undefined || cookie.length > BYTES_MAX) return [];
  try {
    const read: unknown = JSON.parse(Buffer.from(cookie, "base64url").toString("utf8"));
    if (!Array.isArray(read)) return [];
    return read.slice(0, VIEWS_MAX).flatMap((each: unknown): SavedView[] => {
      if (!Array.isArray(each)) return [];
      const [list, name, query]: unknown[] = each;
      if (typeof list !== "string" || typeof name !== "string" || typeof query !== "string") return [];
      return query.startsWith("?") && name.length <= NAME_LENGTH_MAX ? [{ list, name, query }] : [];
    });
  } catch {
    return [];
  }
}
