// `millrace doctor`: looks at the live systems and prints the SQL that mends what is missing.
import { diagnoseProject, type Diagnosis, loadProject } from '../control/index.ts';
import { colorsFor, type Command, type CommandContext, flag, printJson, printLine } from './command.ts';

export const command: Command = {
  description: 'Looks at every source and target of the project and changes nothing. ✓ is fine, · worth knowing, ! works but not for ever, ✗ stops `millrace up`. '
    + 'The statements at the end mend it; an owner or superuser runs them. Exit code 1 when there is a ✗.',
  options: [
    { flags: '--all', summary: 'also what is fine' },
    { flags: '--json', summary: 'print one JSON document' },
  ],
  examples: [['millrace doctor', 'before the first `millrace up`, and when something is odd'], ['millrace doctor --json', 'for scripts']],
  json: `{
  /** No finding is an error. */
  healthy: boolean;
  systems: {
    kind: 'source' | 'replica'; name: string; where: string;
    findings: { level: 'ok' | 'note' | 'warning' | 'error'; check: string; message: string; sql?: string; detail?: string }[];
  }[];
}`,
  async run(context) {
    const { project } = await loadProject(context.folder, { env: context.env });
    const systems = await diagnoseProject(project);
    const healthy = !systems.some((system) => system.findings.some((finding) => finding.level === 'error'));
    if (flag(context, 'json')) printJson(context.stdout, { healthy, systems });
    else print(context, systems);
    return healthy ? 0 : 1;
  },
};

function print(context: CommandContext, systems: readonly Diagnosis[]): void {
  const { stdout, env } = context;
  const colors = colorsFor(stdout, env);
  const marks = { ok: colors.green('✓'), note: colors.dim('·'), warning: colors.yellow('!'), error: colors.red('✗') };
  for (const { kind, name, where, findings } of systems) {
    printLine(stdout, `${kind} ${colors.bold(name)}   ${colors.dim(where)}`);
    const fine = findings.filter((finding) => finding.level === 'ok');
    if (!flag(context, 'all') && fine.length > 0) printLine(stdout, `  ${marks.ok} ${[...new Set(fine.map((finding) => finding.check))].join(', ')}`);
    for (const { level, message, detail } of findings) {
      if (level === 'ok' && !flag(context, 'all')) continue;
      printLine(stdout, `  ${marks[level]} ${message}`);
      if (detail !== undefined) printLine(stdout, detail.split('\n').map((line) => `    ${colors.dim(line)}`).join('\n'));
    }
  }
  for (const { kind, name, where, findings } of systems) {
    const mending = [...new Set(findings.flatMap(({ level, sql }) => ((level === 'warning' || level === 'error') && sql !== undefined ? sql.split('\n') : [])))];
    if (mending.length > 0) printLine(stdout, `\n-- ${kind} ${name}, ${where}:\n${mending.join('\n')}`);
  }
}
