// connect: one folder per system, each with its source, its sink and what planning and doctoring need to know of it.
export { arbiterFor, readTargetTable, readTargetTables, type ActualColumn, type ActualConstraint, type ActualTable } from './postgres/target/actual-table.ts';
export { applyTarget, refuseErrors } from './postgres/target/apply.ts';
export { planTarget, printPlan, type DdlStatement, type TargetPlan, type TargetProblem } from './postgres/target/plan.ts';
export type { Fit } from './postgres/target/tables.ts';
