// control: the project model, planning, supervision, and how other processes find a running project.
export type { Condition, ProjectStatus, ReadingStatus, RowsReport, Running, RunOptions, State, WhichRows } from './status.ts';
export { logFolder, unknownName } from './names.ts';
export { findRunning, requireRunning } from './client.ts';
export { assertNotRunning, readRunFile } from './run-file.ts';
export {
  adopt, checkProject, configurationReference, describeRecords, describeSources, diagnoseProject, jsonSchema, loadProject, planProject, planRemoval, resync, resyncRows, run,
  runProject,
  stoppedStatus, verify,
} from './actions.ts';
export type { LibraryOptions } from './library.ts';
export type { VerifyReport } from './verify.ts';
export type { Diagnosis } from './diagnose.ts';
export type { ProjectPlan } from './plan.ts';
export type { Removal } from './remove.ts';
export { defineProject, env, type ProjectDefinition, type Row, table, type TableAddress, type TableEntry, type TableOptions, type Tables, type TableShape } from './project/api.ts';
export { type Diagnostic, formatDiagnostic, formatDiagnostics, type ProjectError } from './project/diagnostic.ts';
export { SCRIPT_FILE, YAML_FILE } from './project/files.ts';
export type { Project, SourceSpec } from './project/project.ts';
export { projectTemplate } from './project/template.ts';
