import { type RenewalError, toRenewalError } from "../../domain/errors.ts";

/** Reads each row alone: a damaged row must not hide the others of a list. */
export function readEach<Row, T>(
  rows: readonly Row[],
  read: (row: Row) => T,
  onUnreadable: (row: Row, error: RenewalError) => void = () => {},
): T[] {
  return rows.flatMap((row) => {
    try {
      return [read(row)];
    } catch (thrown) {
      onUnreadable(row, toRenewalError(thrown));
      return [];
    }
  });
}
