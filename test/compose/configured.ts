import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { freePort } from "../support/freePort.ts";

export interface Place {
  readonly directory: string;
  readonly configFile: string;
  readonly url: string;
}

/** Everything in one process with a Redis of its own; its CA does not answer. */
export async function configured(change: (file: object) => object = (file) => file): Promise<Place> {
  const directory = await mkdtemp(join(tmpdir(), "renewd-faults-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const configFile = join(directory, "renewd.yaml");
  const port = await freePort();
  const file = {
    version: 1,
    dataDir: "data",
    http01: { host: "127.0.0.1", port },
    planner: { tick: "1s", sweep: "500ms" },
    issuers: { ca: { directory: "https://127.0.0.1:1/directory", termsOfServiceAgreed: true } },
    solvers: { http: { type: "http-01" } },
    targets: { disk: { type: "files", directory, bundle: "{certificate}.pem" } },
    defaults: { issuer: "ca", solver: "http", targets: ["disk"] },
    certificates: { www: { names: ["www.example.org"], endpoints: ["127.0.0.1:1"] } },
  };
  await writeFile(configFile, JSON.stringify(change(file)));
  return { directory, configFile, url: `http://127.0.0.1:${port}` };
}
