// The project model: what a user writes, resolved and checked.
export { defineProject, env, type ProjectDefinition, type Row, table, type TableAddress, type TableEntry, type TableOptions, type Tables, type TableShape } from './api.ts';
export { checkProject } from './check.ts';
export { type Diagnostic, formatDiagnostic, formatDiagnostics, ProjectError } from './diagnostic.ts';
export { loadProject, type LoadOptions, resolveDefinition, SCRIPT_FILE, YAML_FILE } from './load.ts';
export { generateTypes, TYPES_FILE } from './generate-types.ts';
export { configurationReference, jsonSchema } from './reference.ts';
export { projectTemplate } from './template.ts';
export { SCHEMA_FILE, schemaFile, type SourceSchema } from './schema-file.ts';
export { columnFilter, type Project, type SourceSpec } from './project.ts';
