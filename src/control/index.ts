// control: the project model, planning, supervision, and how other processes find a running project.
export type {
  Condition, ProjectStatus, ReplicaStatus, Running, RunOptions, SourceStatus, State, TableStatus,
} from './status.ts';
export { findRunning, requireRunning, type RunningClient } from './client.ts';
export { assertNotRunning, claimRunFile, readRunFile, runFilePath, type RunFile } from './run-file.ts';
export {
  checkProject, columnFilter, configurationReference, defineProject, env, formatDiagnostic, formatDiagnostics, generateTypes, isAppendOnly, jsonSchema,
  loadProject, ProjectError, projectTemplate, readSchemaFile, resolveDefinition, SCHEMA_FILE, schemaFile, SCRIPT_FILE, selectsColumn, table, TYPES_FILE, YAML_FILE,
  type Checked, type ColumnRule, type Diagnostic, type LoadedProject, type LoadOptions, type Project, type ProjectDefinition, type Row, type SourceSchema, type SourceSpec,
  type TableAddress, type TableEntry, type TableOptions, type Tables, type TableShape,
} from './project/index.ts';
export { type LibraryOptions, runProject } from './library.ts';
export { run } from './supervise/run.ts';
export { logFolder, postgresSource, publicationName, slotName } from './supervise/source.ts';
export { verify, type VerifyReport } from './verify.ts';
export { stoppedStatus } from './stopped.ts';
export { diagnoseProject, type Diagnosis } from './diagnose.ts';
export { planProject, type PlannedTable, type PlanProblem, type ProjectPlan, type ReplicaPlan, type SourcePlan } from './plan.ts';
export { planRemoval, type Removal } from './remove.ts';
export { resync } from './resync.ts';
