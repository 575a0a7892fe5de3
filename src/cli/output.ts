import type { RenewalError } from "../domain/errors.ts";
import { inert } from "../domain/text.ts";
import type { Screen } from "./terminal/style.ts";
import { paint } from "./terminal/style.ts";
import { inertJson } from "./terminal/text.ts";

/** stdout or stderr, as far as we use it. */
export interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  /** Node's own: honours NO_COLOR, FORCE_COLOR and TERM. */
  hasColors?(): boolean;
}

/** The only way commands speak: data to stdout, everything else to stderr. */
export interface Output {
  readonly json: boolean;
  readonly screen: Screen;
  /** A command's answer: as JSON with `--json`, else as `render` shows it. */
  report<Report extends { readonly version: number }>(
    report: Report,
    render: (report: Report, screen: Screen) => string,
  ): void;
  /** An answer that is JSON by its nature, with or without `--json`. */
  document(document: object): void;
  /**
   * Data that comes bit by bit. With `--json` the answer is one document, so this goes to stderr then. Made by `paint`
   * or `inert`.
   */
  progress(line: string): void;
  /** For the person at the keyboard. Foreign text in it is made inert here. */
  note(text: string): void;
  /** The reason a part of the work was not done. */
  failure(error: RenewalError): void;
  /** The reason the command ends. With `--json` it is the document on stdout as well. */
  error(error: RenewalError, problems?: readonly object[]): void;
}

const WIDTH_MIN = 60;

export function createOutput(
  streams: { readonly stdout: Stream; readonly stderr: Stream },
  options: { readonly json: boolean; readonly color: boolean },
): Output {
  const { stdout, stderr } = streams;
  const { json } = options;
  const colours = (stream: Stream): boolean =>
    options.color && stream.isTTY === true && (stream.hasColors?.() ?? false);
  const screen: Screen = {
    width: stdout.isTTY === true ? Math.max(WIDTH_MIN, stdout.columns ?? 80) : Number.POSITIVE_INFINITY,
    colours: colours(stdout),
  };
  const onStderr: Screen = { width: Number.POSITIVE_INFINITY, colours: colours(stderr) };
  const failure = ({ code, message, facts }: RenewalError): void => {
    const lines = message.split("\n").map(inert).join("\n");
    // The message of a refused request says itself what to change.
    const advice = code === "request.invalid" ? "" : `what to do: ${facts.action} `;
    stderr.write(`${paint(onStderr, "wrong", "renewd:")} ${lines}\n  ${advice}[${code}]\n`);
  };
  return {
    json,
    screen,
    failure,
    report(report, render) {
      stdout.write(`${json ? inertJson(report) : render(report, screen)}\n`);
    },
    document(document) {
      stdout.write(`${inertJson(document)}\n`);
    },
    progress(line) {
      (json ? stderr : stdout).write(`${line}\n`);
    },
    note(text) {
      stderr.write(`${text.split("\n").map(inert).join("\n")}\n`);
    },
    error(error, problems = []) {
      failure(error);
      const { code, message, facts } = error;
      if (json)
        stdout.write(`${inertJson({ version: 1, error: { code, message, action: facts.action, problems } })}\n`);
    },
  };
}
