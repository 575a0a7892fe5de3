import {
  type KyselyPlugin,
  type LimitNode,
  type PluginTransformResultArgs,
  PostgresQueryCompiler,
  type QueryResult,
  SqliteQueryCompiler,
  type UnknownRow,
  ValueNode,
} from "kysely";

/*
 * Columns are snake_case in SQL and camelCase in code. Names change where the text of a query is written, and where its
 * rows are read: Kysely's CamelCasePlugin copies the whole tree of each query instead, which costs more than writing it.
 */

const snakeCase = keptFor((name) =>
  name.replace(/[A-Z]+/g, (upper, at: number) => (at === 0 ? "" : "_") + upper.toLowerCase()),
);
const camelCase = keptFor((name) => name.replace(/_+([^_])/g, (_all, next: string) => next.toUpperCase()));

export class SnakeCaseSqlite extends SqliteQueryCompiler {
  protected override sanitizeIdentifier(name: string): string {
    return super.sanitizeIdentifier(snakeCase(name));
  }

  /** In the text: SQLite plans by a bound limit's value, so it would prepare the statement again for every use. */
  protected override visitLimit(node: LimitNode): void {
    const { limit } = node;
    if (ValueNode.is(limit) && Number.isSafeInteger(limit.value)) this.append(`limit ${String(limit.value)}`);
    else super.visitLimit(node);
  }
}

export class SnakeCasePostgres extends PostgresQueryCompiler {
  protected override sanitizeIdentifier(name: string): string {
    return super.sanitizeIdentifier(snakeCase(name));
  }
}

/** Makes plain objects of rows, whose names are as in code. Kysely's own queries of the schema go without. */
export const camelCaseRows: KyselyPlugin = {
  transformQuery: ({ node }) => node,
  transformResult: async ({ result }: PluginTransformResultArgs): Promise<QueryResult<UnknownRow>> => ({
    ...result,
    rows: result.rows.map(camelCaseRow),
  }),
};

function camelCaseRow(row: UnknownRow): UnknownRow {
  const named: UnknownRow = {};
  for (const name in row) named[camelCase(name)] = camelCaseInside(row[name]);
  return named;
}

/** PostgreSQL hands out rows inside a row as objects; no column holds any. */
function camelCaseInside(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(camelCaseInside);
  return Object.getPrototypeOf(value) === Object.prototype ? camelCaseRow({ ...value }) : value;
}

/** Statements hold the same few hundred names. */
function keptFor(change: (name: string) => string): (name: string) => string {
  const known = new Map<string, string>();
  return (name) => {
    const before = known.get(name);
    if (before !== undefined) return before;
    const changed = change(name);
    known.set(name, changed);
    return changed;
  };
}
