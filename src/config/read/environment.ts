/** Looks up an environment variable. */
export type Environment = (name: string) => string | undefined;

/** The only place in renewd that reads its environment. */
export const processEnvironment: Environment = (name) => process.env[name];
