/** Since the server started. Names are those of metrics: each counts up and is never set back. */
export interface DnsCounters {
  queriesUdp: number;
  queriesTcp: number;
  /** TXT questions that were answered with at least one value. */
  valuesServed: number;
  /** Questions inside a zone without a record. */
  noData: number;
  refused: number;
  malformed: number;
  /** The store could not be read. */
  failed: number;
  truncated: number;
  /** Over the rate limit, or more at once than the server takes. */
  dropped: number;
  connectionsRefused: number;
}

export function newCounters(): DnsCounters {
  return {
    queriesUdp: 0,
    queriesTcp: 0,
    valuesServed: 0,
    noData: 0,
    refused: 0,
    malformed: 0,
    failed: 0,
    truncated: 0,
    dropped: 0,
    connectionsRefused: 0,
  };
}
