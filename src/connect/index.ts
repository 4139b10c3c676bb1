// connect: one folder per system, each with its source, its sink and what planning and doctoring need to know of it.
export { readTargetTable, type ActualTable } from './postgres/target/actual-table.ts';
export { applyTarget, refuseErrors } from './postgres/target/apply.ts';
export { planTarget } from './postgres/target/plan.ts';
export type { DdlStatement } from './postgres/target/statement.ts';
export type { Finding } from './postgres/doctor/finding.ts';
export { diagnoseSource } from './postgres/doctor/source.ts';
export { diagnoseTarget } from './postgres/doctor/target.ts';
export { PostgresSource } from './postgres/source/source.ts';
export { textSettings } from './postgres/catalog.ts';
export { PostgresSnapshot } from './postgres/source/snapshot.ts';
export { dropSlot, readSlot } from './postgres/source/slot.ts';
export { makeRelation, readRelations, readTables, type CatalogTable } from './postgres/catalog.ts';
export { TypeCatalog } from './postgres/types.ts';
export { PostgresSink } from './postgres/sink/sink.ts';
export { millraceSchemaSql } from './postgres/sink/schema.ts';
export { planSource } from './postgres/source/plan.ts';
export { forgetLoads } from './postgres/sink/forget.ts';
export { countLetters, dropLetter, listLetters, replayLetter, showLetter, type DeadLetter } from './postgres/sink/letters.ts';
