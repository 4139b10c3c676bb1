// `millrace tail`: decoded changes of tables, from the log in .millrace/, whether or not a process is writing it.
import { MillraceError } from '../base/index.ts';
import { followLog, type FollowOptions } from '../bus/index.ts';
import { loadProject, logFolder, unknownName, type Project, type SourceSpec } from '../control/index.ts';
import { parseLsn, parseTablePattern, type Run, selects, splitName, tableAddress, type TablePattern } from '../data/index.ts';
import { changesOf, changeJson, changeText, truncateText } from './change-text.ts';
import { colorsFor, flag, printLine, text, type Command } from './command.ts';
import { describeFile } from './tail-describe.ts';

export const command: Command = {
  description:
    'Shows each change with its operation, key and values: old → new where the table\'s replica identity is full, else what the row holds afterwards. Changes are kept until ' +
    'every replica has them, in whole segments, so only the recent past can be shown. It reads files only: it works beside `millrace up` and without it. ' +
    'With `--describe` it reads records of Kafka topics from a file instead, as `kcat -J` prints them, and says which envelope they have, the inferred columns, types and keys, ' +
    'what Debezium has lost or written wrongly with the setting that mends it, and the replica that fits. No project is needed for that.',
  arguments: [{ name: 'SOURCE.SCHEMA.TABLE', summary: 'a table, a pattern of tables (shop.public.*), or a source for all of it; with --describe a file, or - for standard input' }],
  options: [
    { flags: '--from <position>', summary: 'begin at this position (0/16B3748), or at `start`, the oldest that is kept; default: now, with --no-follow start' },
    { flags: '--no-follow', summary: 'end at the newest change instead of waiting for more' },
    { flags: '--describe', summary: 'say what the records in the file SOURCE.SCHEMA.TABLE are' },
    { flags: '--registry <url>', summary: 'with --describe: the schema registry (http://user:password@host:8081) of records in Avro' },
    { flags: '--json', summary: 'one JSON document a line; with --describe one document' },
  ],
  json: `{
  source: string, table: string, op: "insert" | "update" | "delete" | "truncate",
  position: string,             // behind the transaction's commit: --from with it shows what comes after
  time: string, xid: number,
  key: Row, before: Row | null, // before: the whole old row under replica identity full, else null
  after: Row | null,
  unchanged: string[]           // large values that the source did not send again
}
// Row: column → boolean, number (int2, int4, float), parsed json, or PostgreSQL's text for everything else

// with --describe
{
  topics: {
    topic: string,
    envelope: "debezium" | "debezium-schema" | "avro" | "flat" | "flat-schema" | "flat-avro" | "outbox" | "heartbeat" | "transaction" | "schemaChange" | "message" | "binary" | "unknown",
    connector?: string, records: number, counts: { [what: string]: number },
    tables: {
      schema: string, name: string, key: string[],
      columns: { name: string, typeText: string, confidence: "certain" | "likely" | "guess", remark?: string, inKey: boolean, nulls: number, values: number }[],
      sample?: { [column: string]: string | null }   // PostgreSQL's text
    }[],
    losses: { code: string, column: string, count: number, sample: string, says: string, mend: string, effect: "refused" | "restored" | "possible" }[],
    unreadable?: { count: number, first: string }
  }[],
  yaml?: string   // the replica that fits
}`,
  examples: [
    ['millrace tail shop.public.orders', 'the changes of a table as they come'],
    ['millrace tail shop --from start --no-follow --json', 'everything that is kept, for a script'],
    ['millrace tail orders.ndjson --describe', 'what a topic holds that `kcat -C -e -J` has written to a file'],
  ],
  graceful: true,
  async run(context) {
    const { folder, args, env, stdout, signal } = context;
    if (flag(context, 'describe')) return describeFile(context, args[0] ?? '-');
    const { project } = await loadProject(folder, { env });
    const { source, pattern } = readTarget(args[0] ?? '', project);
    const follow = flag(context, 'follow');
    const colours = colorsFor(stdout, env);
    const chosen = (table: { schema: string; name: string }): boolean => pattern === undefined || pattern.matches(table);
    const show = (run: Run): void => {
      for (const change of changesOf(run, chosen)) printLine(stdout, flag(context, 'json') ? JSON.stringify(changeJson(source.name, change)) : changeText(change, colours));
      const truncated = run.truncate?.relations.filter(chosen) ?? [];
      for (const relation of truncated) {
        printLine(stdout, flag(context, 'json') ? JSON.stringify({ source: source.name, table: tableAddress(relation), op: 'truncate' }) : truncateText(relation, colours));
      }
    };
    for await (const run of followLog(logFolder(project, source.name), { from: readFrom(text(context, 'from'), follow), follow, signal })) show(run);
    return 0;
  },
};

function readTarget(address: string, project: Project): { source: SourceSpec; pattern: TablePattern | undefined } {
  const parts = splitName(address);
  const name = parts?.[0]?.text ?? '';
  const source = project.sources.find((each) => each.name === name);
  if (!source) throw unknownName('source', name, project.sources.map((each) => each.name));
  if (parts?.length === 1) return { source, pattern: undefined };
  const pattern = parseTablePattern(address.slice(address.indexOf('.', name.length) + 1));
  if (!pattern || pattern.exclude) throw new MillraceError('USAGE', `"${address}" is not the address of a table`, { hint: `write ${name}.schema.table` });
  const [schema, table] = [parts?.[1], parts?.[2]];
  if (!pattern.glob && schema && table && !selects(source.tables, { schema: schema.text, name: table.text })) {
    throw new MillraceError('TABLE_UNKNOWN', `source "${name}" does not take ${tableAddress({ schema: schema.text, name: table.text })}`, { where: source.place, hint: `it takes ${source.tables.map((each) => each.text).join(', ')}` });
  }
  return { source, pattern };
}

function readFrom(spelled: string | undefined, follow: boolean): FollowOptions['from'] {
  if (spelled === undefined) return follow ? 'now' : 'start';
  if (spelled === 'start' || spelled === 'now') return spelled;
  try {
    return parseLsn(spelled);
  } catch {
    throw new MillraceError('USAGE', `"${spelled}" is not a position`, { hint: 'write one like 0/16B3748, or start' });
  }
}
