import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import type { Plugin } from "../domain/plugin.ts";
import { runProgram, startProblem } from "../process/program.ts";
import { withoutMentions } from "./chatText.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";
import { postJson, secretOption, secureAddressOf } from "./post.ts";
import { bySeverity, type Words, wordsOf } from "./words.ts";

const TYPES = { page: "failure", warning: "warning", info: "info", over: "success" };
const TIMEOUT_MS = 40_000;
/** Of the program: its configuration has no service with the tag. */
const EXIT_NO_SERVICE = 3;

const optionsSchema = z
  .strictObject({
    url: secretOption
      .optional()
      .describe(
        "Reference to the URL of a configuration stored by a server of Apprise, such as " +
          "`https://apprise.example.org/notify/KEY`.",
      ),
    configFile: z
      .string()
      .regex(/^\/./, "must be an absolute path")
      .max(4_096)
      .optional()
      .describe(
        "Instead of `url`: a configuration of the program `apprise` (Debian: `apprise`), which is run with it. It " +
          "holds the services' URLs, so only renewd's user should read it.",
      ),
    tag: z.string().min(1).max(200).optional().describe("Only the services of the configuration with this tag."),
  })
  .refine(({ url, configFile }) => (url === undefined) !== (configFile === undefined), {
    path: ["url"],
    message: "either `url` or `configFile` is needed, not both",
  });
type AppriseOptions = z.infer<typeof optionsSchema>;

/** A server (github.com/caronc/apprise-api) or the program of Apprise, which knows more than a hundred services. */
export const apprise: Plugin<AppriseOptions, ChannelDependencies, Send> = {
  type: "apprise",
  description: "Hands it to Apprise, a server or a program, which passes it on to more than a hundred services.",
  options: optionsSchema,
  create:
    ({ url, configFile, tag }, { channel, secret }) =>
    async (notification, signal) => {
      const { title, text } = wordsOf(notification);
      const words = { title: withoutMentions(title), text: withoutMentions(text) };
      const type = bySeverity(notification, TYPES);
      if (configFile !== undefined) return runApprise({ configFile, tag, type }, channel, words, signal);
      if (url === undefined) throw new TypeError("neither url nor configFile");
      const body = { title: words.title, body: words.text, type, format: "text", ...(tag !== undefined && { tag }) };
      await postJson({ channel, url: secureAddressOf(channel, (await secret(url)).reveal()), body }, signal);
    },
};

interface Run extends Pick<AppriseOptions, "tag"> {
  readonly configFile: string;
  readonly type: string;
}

/** What it prints is not shown: it may quote the services' URLs, which hold their tokens. */
async function runApprise(
  { configFile, tag, type }: Run,
  channel: string,
  { title, text }: Pick<Words, "title" | "text">,
  signal: AbortSignal,
): Promise<void> {
  const options = [`--config=${configFile}`, `--notification-type=${type}`, "--input-format=text", `--title=${title}`];
  const argv = ["apprise", ...options, ...(tag === undefined ? [] : [`--tag=${tag}`])];
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const fails = (problem: string): RenewalError =>
    new RenewalError("notify.failed", `channel ${channel}: \`apprise\` ${problem}`);
  const run = runProgram({ argv, stdin: text, anyStdin: true }, AbortSignal.any([signal, timeout]));
  const { code } = await run.catch((error: unknown) => {
    throw fails(`was not started: ${startProblem(error)}`);
  });
  signal.throwIfAborted();
  if (code === 0) return;
  if (timeout.aborted) throw fails(`did not end within ${TIMEOUT_MS / 1_000} s`);
  if (code === EXIT_NO_SERVICE) throw fails(`found no service with the tag ${tag ?? ""} in ${configFile}`);
  throw fails(
    `ended with exit code ${code ?? "unknown"}: a service of ${configFile} did not take it, or there is none`,
  );
}
