// control: the project model, planning, supervision, and how other processes find a running project.
export type { Condition, ProjectStatus, Running, RunOptions, State } from './status.ts';
export { findRunning, requireRunning } from './client.ts';
export { assertNotRunning, claimRunFile, readRunFile } from './run-file.ts';
export {
  checkProject, columnFilter, configurationReference, defineProject, env, formatDiagnostic, formatDiagnostics, generateTypes, jsonSchema, loadProject,
  ProjectError, projectTemplate, SCHEMA_FILE, schemaFile, SCRIPT_FILE, table, TYPES_FILE, YAML_FILE, type Diagnostic, type Project,
  type ProjectDefinition, type Row, type SourceSchema, type SourceSpec, type TableAddress, type TableEntry, type TableOptions, type Tables,
  type TableShape,
} from './project/index.ts';
export { type LibraryOptions, runProject } from './library.ts';
export { run } from './supervise/run.ts';
export { verify, type VerifyReport } from './verify.ts';
export { stoppedStatus } from './stopped.ts';
export { diagnoseProject, type Diagnosis } from './diagnose.ts';
export { planProject, type ProjectPlan } from './plan.ts';
export { planRemoval, type Removal } from './remove.ts';
export { resync } from './resync.ts';
