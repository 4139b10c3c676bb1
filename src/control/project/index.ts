// The project model: what a user writes, resolved and checked.
export { defineProject, env, type ProjectDefinition, type Row, table, type TableAddress, type TableEntry, type TableOptions, type Tables, type TableShape } from './api.ts';
export { type Diagnostic, formatDiagnostic, formatDiagnostics, ProjectError } from './diagnostic.ts';
export { type LoadedProject, loadProject, type LoadOptions, resolveDefinition } from './load.ts';
export { columnFilter, type ColumnRule, isAppendOnly, type Project, selectsColumn, type SourceSpec } from './project.ts';
