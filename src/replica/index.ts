// replica: what `replicas` asks for. Rules and transforms on the way to the target.
export { compileRoutes, Routes } from './rules/routes.ts';
export { problemError, type RuleProblem } from './rules/problem.ts';
export type { Route } from './rules/route.ts';
export type { Added, AnyRow, Mask, ReplicaSpec, RowFunction, TableRule } from './spec.ts';
export { compileForTarget } from './compile.ts';
export { Replica, type ReplicaCondition, type ReplicaOptions } from './replica.ts';
export type { Load, LoadedTable, ReplicaTarget } from './target.ts';
export { compareReplica, type TableVerdict, type VerifyPart } from './verify/verify.ts';
