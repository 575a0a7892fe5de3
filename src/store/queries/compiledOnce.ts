import type { Compilable, CompiledQuery, QueryResult } from "kysely";
import { RenewalError } from "../../domain/errors.ts";
import { type Db, isPostgresql } from "../schema.ts";

/** Stands for an argument in a query that is compiled for every argument. */
class StandIn {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/**
 * A query that is built and compiled at its first use, for each dialect, and then only gets its arguments: building a
 * large one takes longer than its answer. Its text must depend on nothing but the dialect, so `build` may only compare
 * with the arguments, select and set them.
 */
export function compiledOnce<Arguments extends Readonly<Record<string, string | number>>, Row>(
  names: readonly (keyof Arguments & string)[],
  build: (db: Db, given: Arguments) => Compilable<Row>,
): (db: Db, given: Arguments) => Promise<QueryResult<Row>> {
  const byDialect = new Map<boolean, CompiledQuery<Row>>();
  // Boundary: what only ever becomes a parameter of the query has no other use of its type.
  const standIns = Object.fromEntries<unknown>(names.map((name) => [name, new StandIn(name)])) as Arguments;
  return (db, given) => {
    const dialect = isPostgresql(db);
    const compiled = byDialect.get(dialect) ?? build(db, standIns).compile();
    byDialect.set(dialect, compiled);
    const parameters = compiled.parameters.map((one) => (one instanceof StandIn ? given[one.name] : one));
    return db.executeQuery<Row>({ ...compiled, parameters });
  };
}

/** The same of a query that answers one row. */
export function oneRowOnce<Arguments extends Readonly<Record<string, string | number>>, Row>(
  names: readonly (keyof Arguments & string)[],
  build: (db: Db, given: Arguments) => Compilable<Row>,
): (db: Db, given: Arguments) => Promise<Row> {
  const ask = compiledOnce(names, build);
  return async (db, given) => {
    const [row] = (await ask(db, given)).rows;
    if (row === undefined) throw new RenewalError("internal.bug", "a query for one row answered none");
    return row;
  };
}
