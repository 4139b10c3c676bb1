// control: the project model, planning, supervision, and how other processes find a running project.
export type {
  Condition, ProjectStatus, ReplicaStatus, Running, RunOptions, SourceStatus, State, TableStatus,
} from './status.ts';
export { findRunning, requireRunning, type RunningClient } from './client.ts';
export { assertNotRunning, claimRunFile, readRunFile, runFilePath, type RunFile } from './run-file.ts';
export {
  columnFilter, formatDiagnostic, formatDiagnostics, isAppendOnly, loadProject, ProjectError, selectsColumn,
  type ColumnRule, type Diagnostic, type LoadedProject, type LoadOptions, type Project, type SourceSpec,
} from './project/index.ts';
