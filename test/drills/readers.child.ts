// Readers that do not wait for each other: node readers.child.ts URL TOKEN REQUESTS_PER_S. Ends with its input; prints
// what it met.
import { Agent, get } from "node:http";

const [, , url = "", token = "", rate = "200"] = process.argv;
const PAGES = [
  ...["/", "/certificates", "/certificates?sort=expires", "/history", "/history?q=target:a", "/targets", "/endpoints"],
  ...[
    "/issuers",
    "/report",
    "/alerts",
    "/certificates.csv",
    "/api/v1/certificates",
    "/api/v1/renewals",
    "/api/v1/status",
  ],
];
const TICK_MS = 20;

const agent = new Agent({ keepAlive: true, maxSockets: 400 });
const met = { asked: 0, answers: {} as Record<string, number>, withoutRetryAfter: 0 };
const answeredMs: number[] = [];
const startedAt = performance.now();

function read(path: string): void {
  met.asked += 1;
  const at = performance.now();
  const count = (what: string): void => {
    met.answers[what] = (met.answers[what] ?? 0) + 1;
  };
  const asking = get(
    `${url}${path}`,
    { agent, headers: { authorization: `Bearer ${token}`, accept: "text/html" } },
    (response) => {
      response.resume().on("end", () => {
        count(String(response.statusCode));
        if (response.statusCode === 200) answeredMs.push(performance.now() - at);
        if (response.statusCode === 503 && response.headers["retry-after"] === undefined) met.withoutRetryAfter += 1;
      });
    },
  );
  // The server may close a connection that was idle for long in the moment in which it is used again.
  asking.on("error", () => count(asking.reusedSocket ? "closed" : "error"));
}

const ticking = setInterval(() => {
  const due = ((performance.now() - startedAt) / 1_000) * Number(rate);
  while (met.asked < due) read(PAGES[met.asked % PAGES.length] ?? "/");
}, TICK_MS);

process.stdin.resume().on("end", () => {
  clearInterval(ticking);
  const seconds = (performance.now() - startedAt) / 1_000;
  answeredMs.sort((a, b) => a - b);
  const at = (fraction: number): number => Math.round(answeredMs[Math.floor(answeredMs.length * fraction)] ?? 0);
  console.log(JSON.stringify({ ...met, seconds, p50Ms: at(0.5), p95Ms: at(0.95) }));
  process.exit(0);
});
