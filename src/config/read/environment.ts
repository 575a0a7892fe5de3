/** Looks up an environment variable. */
export type Environment = (name: string) => string | undefined;

/** The only place in renewd that reads its environment. */
export const processEnvironment: Environment = (name) => process.env[name];

/**
 * Before the first of them is used. getaddrinfo(3) holds a thread until it ends, 10 s for a name that no name server
 * answers for. Node has four, and gives it half of them: with two such names among CAs, targets and channels, Redis
 * itself could not be found again.
 */
export function raiseThreads(): void {
  process.env.UV_THREADPOOL_SIZE ??= "16";
}
