import type { DatabaseSync, StatementSync } from "node:sqlite";

const PLANS_MAX = 500;
const PLAN_TEXT_MAX = 10_000;
const CHANGES_SCHEMA = /^\s*(?:create|alter|drop|pragma|vacuum|attach|detach)\b/i;

interface Prepared {
  readonly statement: StatementSync;
  readonly answersRows: boolean;
}

/**
 * Preparing costs more than most statements do, so their plans are kept. A text with the values of many rows is not: it
 * hardly comes again. What changes the schema ends all plans, as a kept `select *` would not see a new column.
 */
export function keptPlans(database: DatabaseSync): (sql: string) => Prepared {
  const plans = new Map<string, Prepared>();
  return (sql) => {
    const known = plans.get(sql);
    if (known !== undefined) return known;
    const statement = database.prepare(sql);
    const plan = { statement, answersRows: statement.columns().length > 0 };
    if (CHANGES_SCHEMA.test(sql) || plans.size >= PLANS_MAX) plans.clear();
    else if (sql.length <= PLAN_TEXT_MAX) plans.set(sql, plan);
    return plan;
  };
}
