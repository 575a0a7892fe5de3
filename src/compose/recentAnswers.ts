import type { ChallengeResponses } from "../domain/issuer.ts";

/** A CA asks from several places within a moment (RFC 8555 §10.2). */
const RECENT_MS = 1_000;

type Answers = Pick<ChallengeResponses, "get">;

/**
 * Keeps what was found for a moment, so that a validation from several places is read once. An answer that has been
 * removed is served for so long still, when no CA waits for it any more. What is not there is read again each time.
 */
export function recentAnswers(answers: Answers, recentMs: number = RECENT_MS): Answers {
  const recent = new Map<string, Promise<string | null>>();
  const read = async (token: string): Promise<string | null> => {
    let found: string | null = null;
    try {
      found = await answers.get(token);
      return found;
    } finally {
      if (found === null) recent.delete(token);
      else setTimeout(() => recent.delete(token), recentMs).unref();
    }
  };
  return {
    get(token) {
      const reading = recent.get(token) ?? read(token);
      recent.set(token, reading);
      return reading;
    },
  };
}
