// `millrace check`: every problem of the configuration, without touching a database.
import { checkProject, formatDiagnostic } from '../control/index.ts';
import { colorsFor, type Command, flag, printJson, printLine } from './command.ts';

export const command: Command = {
  description: 'Reads millrace.yaml or millrace.config.ts and compares tables, columns and expressions with millrace.schema.json, which `millrace types` writes. '
    + 'Exit code 1 when there is an error.',
  options: [{ flags: '--json', summary: 'print one JSON document' }],
  examples: [['millrace check', 'before a commit or in CI: no database is needed']],
  json: `{
  valid: boolean;
  /** Whether millrace.schema.json has every source, so that tables and columns were checked. */
  withSchema: boolean;
  diagnostics: {
    severity: 'error' | 'warning'; code: string; message: string;
    file: string; line?: number; column?: number; length?: number; text?: string; hint?: string;
  }[];
}`,
  async run(context) {
    const { diagnostics, withSchema, project } = await checkProject(context.folder, { env: context.env });
    const errors = diagnostics.filter((each) => each.severity === 'error').length;
    const warnings = diagnostics.length - errors;
    if (flag(context, 'json')) {
      printJson(context.stdout, { valid: errors === 0, withSchema, diagnostics });
      return errors === 0 ? 0 : 1;
    }
    const colors = colorsFor(context.stdout, context.env);
    for (const diagnostic of diagnostics) {
      const paint = diagnostic.severity === 'error' ? colors.red : colors.yellow;
      printLine(context.stdout, formatDiagnostic(diagnostic).replace(`: ${diagnostic.severity}: `, (text) => paint(text)));
    }
    const count = (n: number, word: string): string => `${n} ${word}${n === 1 ? '' : 's'}`;
    const found = [...(errors > 0 ? [count(errors, 'error')] : []), ...(warnings > 0 ? [count(warnings, 'warning')] : [])].join(', ');
    const size = project ? `${count(project.sources.length, 'source')}, ${count(project.replicas.length, 'replica')}` : '';
    printLine(context.stdout, errors > 0 ? colors.red(found) : `${colors.green('ok')}: ${size}${found ? `; ${found}` : ''}`);
    return errors === 0 ? 0 : 1;
  },
};
