// connect: one folder per system, each with its source, its sink and what planning and doctoring need to know of it.
export { arbiterFor, readTargetTable, readTargetTables, type ActualColumn, type ActualConstraint, type ActualTable } from './postgres/target/actual-table.ts';
export { applyTarget, refuseErrors } from './postgres/target/apply.ts';
export { planTarget, printPlan, type TargetPlan } from './postgres/target/plan.ts';
export type { DdlStatement, TargetProblem } from './postgres/target/statement.ts';
export type { Fit } from './postgres/target/tables.ts';
export type { Finding } from './postgres/doctor/finding.ts';
export { diagnoseSource, type SourceQuestions } from './postgres/doctor/source.ts';
export { diagnoseTarget } from './postgres/doctor/target.ts';
export { PostgresSource, type PostgresSourceOptions } from './postgres/source/source.ts';
export { PostgresSnapshot, textSettings } from './postgres/source/snapshot.ts';
export { createPublicationSql, dropSlot, readSlot, type SlotState } from './postgres/source/slot.ts';
export { makeRelation, readRelations, readTables, type CatalogTable, type ColumnFilter } from './postgres/catalog.ts';
export { TypeCatalog } from './postgres/types.ts';
export { createPostgresSink, PostgresSink, type PostgresSinkOptions } from './postgres/sink/sink.ts';
export { millraceSchemaSql } from './postgres/sink/schema.ts';
export { planSource } from './postgres/source/plan.ts';
