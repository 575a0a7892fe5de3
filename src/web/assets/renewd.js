// All that pages do in the browser besides htmx: say whether they are live, and select many rows. Without it they work.

(() => {
  // What is no longer true at once is said where it is seen, however long the page and small the screen.
  const say = (text, isAway = false) => {
    const place = document.getElementById("live-state");
    if (place && place.textContent !== text) place.textContent = text;
    place?.closest("footer").classList.toggle("away", isAway);
  };
  document.addEventListener("htmx:sse:after:connection", () => say("live ·"));
  document.addEventListener("htmx:sse:error", () => say("not live: renewd does not answer, trying again ·", true));
  document.addEventListener("htmx:sse:close", () => say(""));

  // A page that was not answered stays as it was read and asks again: the next change may be hours away.
  let again = 0;
  const askAgain = (ctx) => {
    const seconds = Number(ctx.response?.headers.get("Retry-After")) || 5;
    clearTimeout(again);
    again = setTimeout(() => document.body.dispatchEvent(new Event("renewd-changed")), seconds * 1_000);
  };
  document.addEventListener("htmx:before:response", (event) => {
    const { ctx } = event.detail;
    if (ctx.sourceElement.id !== "main") return;
    const { status } = ctx.response;
    if (status !== 401 && status < 429) return;
    event.preventDefault();
    // The session has ended: all of the page is of somebody who is not signed in any more.
    if (status === 401) location.reload();
    else askAgain(ctx);
  });
  document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
    if (ctx?.sourceElement.id === "main") askAgain(ctx);
  });

  // Shift and click selects the rows between.
  let last = null;
  document.addEventListener("click", (event) => {
    const box = event.target;
    if (!(box instanceof HTMLInputElement) || box.type !== "checkbox" || box.name !== "certificate") return;
    const boxes = [...document.querySelectorAll('input[type="checkbox"][name="certificate"]')];
    if (event.shiftKey && last && boxes.includes(last)) {
      const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
      for (const each of boxes.slice(from, to + 1)) each.checked = box.checked;
    }
    last = box;
  });

  // "/" leads to the search, as in other tools.
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target instanceof Element && event.target.closest("input, textarea, select");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    const search = document.getElementById("q");
    if (!search) return;
    event.preventDefault();
    search.focus();
  });
})();
