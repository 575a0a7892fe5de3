/** More at once would only wait for one another: a handshake takes a few turns. */
const PER_TURN = 8;

/**
 * How a process that makes many handshakes takes its time: so many are begun in each turn of the event loop. Where the
 * machine is busy a turn takes longer and fewer are under way, so that each is done within its limit. Begun all at once,
 * hundreds wait for this process itself until their time is up, and healthy servers look unreachable.
 */
export function createTurns(perTurn = PER_TURN): () => Promise<void> {
  const waiting: (() => void)[] = [];
  let free = perTurn;
  const nextTurn = (): void => {
    free = perTurn;
    const begun = waiting.splice(0, perTurn);
    free -= begun.length;
    if (begun.length > 0) setImmediate(nextTurn);
    for (const begin of begun) begin();
  };
  return () => {
    if (free === 0) return new Promise((resolve) => waiting.push(resolve));
    if (free === perTurn) setImmediate(nextTurn);
    free -= 1;
    return Promise.resolve();
  };
}
