// millrace as a library: what millrace.config.ts and transforms import, and what runs a project inside another program.
export { MillraceError } from './base/index.ts';
export { CalendarDate, Decimal, Interval, JsonNull, TimeOfDay, Timestamp, Unchanged, type Json } from './data/index.ts';
export {
  defineProject, env, loadProject, runProject as run, table, verify,
  type Diagnostic, type LibraryOptions, type ProjectDefinition, type ProjectError, type Running, type RunOptions, type VerifyReport, type Row, type TableAddress, type TableEntry, type TableOptions, type Tables, type TableShape,
} from './control/index.ts';
