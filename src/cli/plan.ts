// `millrace plan`: the way of every table with its guarantee, and what `up` would make.
import { loadProject, planProject, type ProjectPlan } from '../control/index.ts';
import { colorsFor, type Command, type CommandContext, flag, printJson, printLine } from './command.ts';

export const command: Command = {
  description: 'Reads both sides and changes nothing. With --sql only what a reviewer needs: the statements that `millrace up` would run, and the grants that they need. '
    + 'Exit code 1 when something stands in the way of `millrace up`.',
  options: [
    { flags: '--sql', summary: 'print only the DDL and the grants' },
    { flags: '--json', summary: 'print one JSON document' },
  ],
  examples: [['millrace plan', 'the graph, and what would change'], ['millrace plan --sql > review.sql', 'for review; then `millrace up --no-ddl`']],
  json: `{
  sources: { [name: string]: { where: string; tables: string[]; guarantee: string; sql: { sql: string; why: string }[] } };
  replicas: { [name: string]: {
    where: string; from: string[]; guarantee: string;
    tables: { from: string; to: string; path: 'bytes' | 'computed' | 'transform'; rules: string[] }[];
    grants: { sql: string; why: string }[]; ddl: { sql: string; why: string }[];
    problems: { level: 'error' | 'warning'; table: string; message: string; hint: string }[] } };
}`,
  async run(context) {
    const { project } = await loadProject(context.folder, { env: context.env });
    const plan = await planProject(project);
    if (flag(context, 'json')) printJson(context.stdout, plan);
    else if (flag(context, 'sql')) printSql(context, plan);
    else printGraph(context, plan);
    return Object.values(plan.replicas).some((replica) => replica.problems.some((problem) => problem.level === 'error')) ? 1 : 0;
  },
};

/** Scripts for psql, one a database. */
function printSql({ stdout }: CommandContext, plan: ProjectPlan): void {
  const script = (title: string, statements: readonly { sql: string; why: string }[]): void => {
    if (statements.length === 0) return;
    printLine(stdout, `-- ${title}\n`);
    for (const { sql, why } of statements) printLine(stdout, `-- ${why}\n${sql};\n`);
  };
  for (const [name, source] of Object.entries(plan.sources)) script(`source ${name}: ${source.where}`, source.sql);
  for (const [name, replica] of Object.entries(plan.replicas)) {
    script(`replica ${name}: ${replica.where}, to be run by an owner or superuser`, replica.grants);
    script(`replica ${name}: ${replica.where}`, replica.ddl);
  }
}

function printGraph({ stdout, env }: CommandContext, plan: ProjectPlan): void {
  const colors = colorsFor(stdout, env);
  const count = (n: number, word: string): string => `${n} ${word}${n === 1 ? '' : 's'}`;
  const changes = (statements: readonly { why: string }[], who: string): void => {
    if (statements.length > 0) printLine(stdout, `  ${colors.yellow('+')} ${count(statements.length, 'statement')} ${who}: ${statements[0]?.why}${statements.length > 1 ? ', …' : ''}`);
  };
  for (const [name, source] of Object.entries(plan.sources)) {
    printLine(stdout, `${colors.bold(name)} → log   ${count(source.tables.length, 'table')} of ${source.where}`);
    printLine(stdout, `  ${colors.dim(source.guarantee)}`);
    changes(source.sql, 'to run');
  }
  for (const [name, replica] of Object.entries(plan.replicas)) {
    printLine(stdout, `${replica.from.join(', ')} → log → ${colors.bold(name)}   ${replica.where}`);
    printLine(stdout, `  ${colors.dim(replica.guarantee)}`);
    const [from, to] = [(['from', 'to'] as const).map((key) => Math.max(0, ...replica.tables.map((table) => table[key].length)))].flat() as [number, number];
    for (const table of replica.tables) {
      const rules = table.rules.length > 0 ? `: ${table.rules.join('; ')}` : '';
      printLine(stdout, `  ${table.from.padEnd(from)} → ${table.to.padEnd(to)}   ${colors.dim(`${table.path}${rules}`)}`);
    }
    changes(replica.grants, 'for an owner');
    changes(replica.ddl, 'to run');
    for (const problem of replica.problems) {
      printLine(stdout, `  ${problem.level === 'error' ? colors.red('✗') : colors.yellow('!')} ${problem.message}\n    next: ${problem.hint.replaceAll('\n', '\n          ')}`);
    }
  }
  const changed = [...Object.values(plan.sources).flatMap((source) => source.sql), ...Object.values(plan.replicas).flatMap((replica) => [...replica.grants, ...replica.ddl])];
  printLine(stdout, changed.length === 0 ? `${colors.green('✓')} \`millrace up\` changes no schema` : '\n`millrace plan --sql` prints the statements');
}
