// Orders certificates with acme-client's `auto()` and tuned polling: arguments are the directory, the port of its
// responder and the names. Says when it is ready, waits for a line, says when it is done, and stays to be measured.
import { createServer } from "node:http";
import { crypto } from "acme-client";
import { stockClient } from "../stockClient.ts";

const [, , directoryUrl = "", port = "", ...names] = process.argv;
const IN_FLIGHT = 4;
const answers = new Map<string, string>();
createServer((request, response) => {
  const answer = answers.get((request.url ?? "").split("/").at(-1) ?? "");
  if (answer === undefined) response.writeHead(404).end();
  else response.end(answer);
}).listen(Number(port));

const client = await stockClient(directoryUrl);
process.stdout.write("ready\n");
await new Promise((resolve) => process.stdin.once("data", resolve));
const worker = async (): Promise<void> => {
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
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
