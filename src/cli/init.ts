// `millrace init`: a short millrace.yaml, with the connection URLs in .env. Asks in a terminal, or takes flags.
import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { MillraceError } from '../base/index.ts';
import { projectTemplate, SCRIPT_FILE, YAML_FILE } from '../control/index.ts';
import { parseTablePattern } from '../data/index.ts';
import { parsePgUrl } from '../wire/index.ts';
import { type Command, type CommandContext, flag, list, printLine, text } from './command.ts';

interface Answers {
  readonly source: string;
  readonly target: string;
  readonly tables: readonly string[];
}

export const command: Command = {
  description: 'Writes millrace.yaml, puts the URLs into .env (readable by you only) and keeps .env and .millrace/ out of git. Refuses to overwrite a project.',
  options: [
    { flags: '--source <url>', summary: 'the database to copy from: postgres://user:password@host:5432/database' },
    { flags: '--target <url>', summary: 'the database to keep equal' },
    { flags: '--tables <pattern...>', summary: 'tables of the source: public.*, \'!public.audit\' (default: public.*)' },
    { flags: '--yes', summary: 'ask nothing' },
  ],
  examples: [
    ['millrace init', 'asks for both databases'],
    ['millrace init --source postgres://me@localhost/shop --target postgres://me@localhost/warehouse --yes', 'asks nothing'],
  ],
  async run(context) {
    for (const name of [YAML_FILE, SCRIPT_FILE]) {
      if (existsSync(join(context.folder, name))) {
        throw new MillraceError('CONFIG_INVALID', `${name} is here already`, { where: context.folder, hint: 'edit it, or name another folder with --project DIR' });
      }
    }
    const answers = await ask(context);
    for (const url of [answers.source, answers.target]) parsePgUrl(url);
    for (const pattern of answers.tables) {
      if (!parseTablePattern(pattern)) throw new MillraceError('USAGE', `"${pattern}" is not a table pattern`, { hint: 'write schema.table, with * for any characters' });
    }
    const { yaml, env } = projectTemplate(answers);
    mkdirSync(context.folder, { recursive: true });
    writeFileSync(join(context.folder, YAML_FILE), yaml, { flag: 'wx' });
    addLines(join(context.folder, '.env'), env, 0o600);
    addLines(join(context.folder, '.gitignore'), ['.env', '.millrace/']);
    printLine(context.stdout, `${YAML_FILE} and .env written. Next:`);
    printLine(context.stdout, '  millrace doctor   # looks at both databases');
    printLine(context.stdout, '  millrace types    # writes what `check` needs');
    printLine(context.stdout, '  millrace up       # replicates until stopped');
    return 0;
  },
};

async function ask(context: CommandContext): Promise<Answers> {
  let [source, target, tables] = [text(context, 'source'), text(context, 'target'), list(context, 'tables')];
  if (!flag(context, 'yes') && process.stdin.isTTY && (!source || !target)) {
    const terminal = createInterface({ input: process.stdin, output: context.stdout });
    try {
      source ??= (await terminal.question('Source, postgres://user:password@host:5432/database: ', { signal: context.signal })).trim();
      target ??= (await terminal.question('Target, the database to keep equal: ', { signal: context.signal })).trim();
      tables ??= (await terminal.question('Tables [public.*]: ', { signal: context.signal })).split(/[\s,]+/).filter(Boolean);
    } finally {
      terminal.close();
    }
  }
  if (!source || !target) {
    throw new MillraceError('USAGE', `${source ? '--target' : '--source'} is missing`, { hint: 'millrace init --source URL --target URL' });
  }
  return { source, target, tables: tables?.length ? tables : ['public.*'] };
}

/** Appends the lines that are not there yet; never changes one. */
function addLines(path: string, lines: readonly string[], mode?: number): void {
  const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const missing = lines.filter((line) => !before.split(/\r?\n/).some((each) => each === line || (line.includes('=') && each.startsWith(line.slice(0, line.indexOf('=') + 1)))));
  if (missing.length > 0) appendFileSync(path, `${before === '' || before.endsWith('\n') ? '' : '\n'}${missing.join('\n')}\n`, mode === undefined ? {} : { mode });
  if (mode !== undefined) chmodSync(path, mode);
}
