// The project model: what a user writes, resolved and checked.
export { type Diagnostic, formatDiagnostic, formatDiagnostics, ProjectError } from './diagnostic.ts';
export { type LoadedProject, loadProject, type LoadOptions } from './load.ts';
export { columnFilter, type ColumnRule, isAppendOnly, type Project, selectsColumn, type SourceSpec } from './project.ts';
