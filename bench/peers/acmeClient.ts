// Orders certificates with acme-client's `auto()` and tuned polling, and does nothing else: arguments are the
// directory, the port of its responder and the number of certificates.
import { createServer } from "node:http";
import { crypto } from "acme-client";
import { stockClient } from "../stockClient.ts";

const [, , directoryUrl = "", port = "", count = ""] = process.argv;
const IN_FLIGHT = 4;
const answers = new Map<string, string>();
const responder = createServer((request, response) => {
  const answer = answers.get((request.url ?? "").split("/").at(-1) ?? "");
  if (answer === undefined) response.writeHead(404).end();
  else response.end(answer);
}).listen(Number(port));

const client = await stockClient(directoryUrl);
process.stdout.write("ready\n");
await new Promise((resolve) => process.stdin.once("data", resolve));
let next = 0;
const worker = async (): Promise<void> => {
  while (next < Number(count)) {
    const name = `c${next++}.example.org`;
    const [, csr] = await crypto.createCsr({ altNames: [name] }, await crypto.createPrivateEcdsaKey("P-256"));
    await client.auto({
      csr,
      skipChallengeVerification: true,
      challengePriority: ["http-01"],
      challengeCreateFn: async (_authorization, challenge, keyAuthorization) =>
        void answers.set(challenge.token, keyAuthorization),
      challengeRemoveFn: async (_authorization, challenge) => void answers.delete(challenge.token),
    });
  }
};
await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
process.stdout.write("done\n");
responder.close();
process.exit(0);
