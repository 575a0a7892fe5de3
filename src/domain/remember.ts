/**
 * Loads at first use and keeps what was loaded. A failure is not kept: what was missing may have been installed since.
 */
export function remembered<Loaded>(load: () => Promise<Loaded>): () => Promise<Loaded> {
  let loading: Promise<Loaded> | null = null;
  return () => {
    loading ??= load().catch((thrown: unknown) => {
      loading = null;
      throw thrown;
    });
    return loading;
  };
}
