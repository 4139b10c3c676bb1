// millrace verify: compares source and target at one point of the stream.
import { loadProject, verify, type VerifyReport } from '../control/index.ts';
import { type Command, flag } from './command.ts';

export const command: Command = {
  description:
    'Takes a snapshot of the source, lets the running replica stand at exactly that point for a moment, and compares every row while everything goes on. '
    + 'When nothing runs, the target must have everything already (`up --until caught-up`). Columns that cannot be reproduced (those of `meta`) are left out.',
  arguments: [{ name: 'REPLICA', summary: 'replicas to verify; all when none is named', optional: true, many: true }],
  options: [{ flags: '--json', summary: 'print the report as JSON' }],
  examples: [['millrace verify', 'exit code 0: equal, 1: different, 2: could not compare']],
  json: '{ equal: boolean; tables: Record<string, { equal: boolean; rows: number; differing: (string | number | unknown[])[]; target?: string }> }',
  async run(context) {
    const { project } = await loadProject(context.folder, { env: context.env });
    const report = await verify(project, context.args, context.signal);
    context.stdout.write(flag(context, 'json') ? `${JSON.stringify(report)}\n` : describe(report));
    return report.equal ? 0 : 1;
  },
};

const keysShown = 5;

const rowCount = (n: number): string => `${n.toLocaleString('en')} ${n === 1 ? 'row' : 'rows'}`;

function describe(report: VerifyReport): string {
  const lines: string[] = [];
  let rows = 0;
  for (const [table, verdict] of Object.entries(report.tables)) {
    rows += verdict.rows;
    const to = verdict.target === undefined ? '' : ` → ${verdict.target}`;
    if (verdict.equal) lines.push(`✓ ${table}${to}: ${rowCount(verdict.rows)}`);
    else {
      const shown = verdict.differing.slice(0, keysShown).map((key) => JSON.stringify(key)).join(', ');
      const more = verdict.differing.length > keysShown ? ` and ${verdict.differing.length - keysShown} more` : '';
      lines.push(`✗ ${table}${to}: ${verdict.differing.length} of ${rowCount(verdict.rows)} differ: ${shown}${more}`);
    }
  }
  lines.push(report.equal ? `equal: ${rowCount(rows)}` : 'different: `millrace resync REPLICA --repair` reads these rows again; rows in the dead letters differ until they are replayed');
  return `${lines.join('\n')}\n`;
}
