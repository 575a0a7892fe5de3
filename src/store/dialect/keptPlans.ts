import type { DatabaseSync, StatementSync } from "node:sqlite";

const PLANS_MAX = 500;
/** The longest that is asked again and again, what decides about a renewal, has 11,400 characters. */
const PLAN_TEXT_MAX = 15_000;
const CHANGES_SCHEMA = /^\s*(?:create|alter|drop|pragma|vacuum|attach|detach)\b/i;

export interface Prepared {
  readonly statement: StatementSync;
  readonly answersRows: boolean;
}

export interface KeptPlans {
  plan(sql: string): Prepared;
  /** Another connection changed the schema. */
  forget(): void;
}

/**
 * Preparing costs more than most statements do, so their plans are kept. A text with the values of many rows is not: it
 * hardly comes again. What changes the schema ends all plans, as a kept `select *` would not see a new column.
 */
export function keptPlans(database: DatabaseSync, onSchemaChange: () => void = () => {}): KeptPlans {
  const plans = new Map<string, Prepared>();
  return {
    plan(sql) {
      const known = plans.get(sql);
      if (known !== undefined) return known;
      const statement = database.prepare(sql);
      const plan = { statement, answersRows: statement.columns().length > 0 };
      const changesSchema = CHANGES_SCHEMA.test(sql);
      if (changesSchema || plans.size >= PLANS_MAX) plans.clear();
      else if (sql.length <= PLAN_TEXT_MAX) plans.set(sql, plan);
      if (changesSchema) onSchemaChange();
      return plan;
    },
    forget: () => plans.clear(),
  };
}
