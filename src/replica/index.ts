// replica: what `replicas` asks for. Rules and transforms on the way to the target.
export { compileRoutes, Routes } from './rules/routes.ts';
export type { Route } from './rules/route.ts';
export type { Added, AnyRow, IndexRule, Mask, ReplicaSpec, TableRule } from './spec.ts';
export type { Prepared } from './fitting.ts';
export { type TableNews, tableNews } from './table-news.ts';
export { compileForTarget } from './compile.ts';
export { Replica, type ReplicaOptions } from './replica.ts';
export { atSource, atTarget, mendKeys } from './mend/matching.ts';
export type { RowKey } from './verify/compare.ts';
export { compareReplica, type CompareTables, type TableVerdict, type VerifyPart } from './verify/verify.ts';
export type { SnapshotProgress } from './progress.ts';
