// control: the project model, planning, supervision, and how other processes find a running project.
export type {
  Condition, ProjectStatus, ReplicaStatus, Running, RunOptions, SourceStatus, State, TableStatus,
} from './status.ts';
export { findRunning, requireRunning, type RunningClient } from './client.ts';
export { assertNotRunning, claimRunFile, readRunFile, runFilePath, type RunFile } from './run-file.ts';
export {
  columnFilter, defineProject, env, formatDiagnostic, formatDiagnostics, isAppendOnly, loadProject, ProjectError, resolveDefinition, selectsColumn, table,
  type ColumnRule, type Diagnostic, type LoadedProject, type LoadOptions, type Project, type ProjectDefinition, type Row, type SourceSpec,
  type TableAddress, type TableEntry, type TableOptions, type Tables, type TableShape,
} from './project/index.ts';
