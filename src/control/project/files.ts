// The files of a project's folder.
export const YAML_FILE = 'millrace.yaml';
export const SCRIPT_FILE = 'millrace.config.ts';
/** The tables of the sources, for `check`. */
export const SCHEMA_FILE = 'millrace.schema.json';
/** The tables of the sources, for the TypeScript compiler. */
export const TYPES_FILE = 'millrace.d.ts';
