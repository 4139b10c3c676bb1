// What the doctor reports: one finding a question, with the statement that mends it.
import { systemClock } from '../../../base/index.ts';
import { MillraceError } from '../../../base/index.ts';
import { displayTarget, type ConnectOptions, PgConnection } from '../../../wire/index.ts';

export interface Finding {
  /** note: worth knowing. warning: works, but slowly or not for ever. error: `up` cannot work. */
  readonly level: 'ok' | 'note' | 'warning' | 'error';
  /** The question, in one or two words that stay the same: `wal level`, `privileges`, `slots`. */
  readonly check: string;
  /** One sentence without a full stop. */
  readonly message: string;
  /** What mends it: SQL statements with semicolons, to be run in the database that was looked at, by an owner or superuser. */
  readonly sql?: string;
  /** What SQL alone does not do (a restart, a choice), or the longer story. */
  readonly detail?: string;
}

/** Collects findings in the order of the questions. */
export class Findings {
  readonly list: Finding[] = [];

  add(level: Finding['level'], check: string, message: string, more: { readonly sql?: string | undefined; readonly detail?: string | undefined } = {}): void {
    const given = Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined));
    this.list.push({ level, check, message, ...given });
  }
}

/** Connects and looks; a server that cannot be reached or is too old is the only finding then. The session changes nothing. */
export async function examine(options: ConnectOptions, look: (connection: PgConnection, findings: Findings) => Promise<void>): Promise<Finding[]> {
  const findings = new Findings();
  let connection: PgConnection;
  try {
    connection = await PgConnection.connect(options);
  } catch (error) {
    const known = error instanceof MillraceError ? error : undefined;
    const detail = [known?.detail, known?.hint].filter(Boolean).join('\n');
    findings.add('error', 'reachable', `cannot connect as ${displayTarget(options)}: ${error instanceof Error ? error.message : String(error)}`, { detail: detail || undefined });
    return findings.list;
  }
  try {
    const version = connection.parameters.get('server_version') ?? 'of an unknown version';
    if (connection.major < 15) {
      findings.add('error', 'version', `the server is PostgreSQL ${version}; Millrace needs 15 or newer`);
      return findings.list;
    }
    findings.add('ok', 'reachable', `PostgreSQL ${version} as ${connection.where}`);
    await look(connection, findings);
    return findings.list;
  } finally {
    await connection.close();
  }
}

/** How far the server's clock is from ours; positive: it is ahead. Half of the round trip is taken off. */
export async function checkClock(connection: PgConnection, findings: Findings): Promise<void> {
  const before = systemClock.now();
  const [row] = await connection.rows<{ ms: string }>('select (extract(epoch from pg_catalog.clock_timestamp()) * 1000)::text as ms');
  const after = systemClock.now();
  const offset = Number(row?.ms) - (before + after) / 2;
  const text = `the server's clock is ${(Math.abs(offset) / 1000).toFixed(1)} s ${offset > 0 ? 'ahead of' : 'behind'} this machine's`;
  if (Math.abs(offset) - (after - before) / 2 > 1000) findings.add('warning', 'clock', text, { detail: 'lag in milliseconds is wrong by as much; synchronise the clocks (NTP)' });
  else findings.add('ok', 'clock', 'the clocks agree');
}

export async function checkEncoding(connection: PgConnection, findings: Findings): Promise<void> {
  const [row] = await connection.rows<{ encoding: string }>(
    'select pg_catalog.pg_encoding_to_char(encoding)::text as encoding from pg_catalog.pg_database where datname = pg_catalog.current_database()',
  );
  if (row?.encoding === 'UTF8') findings.add('ok', 'encoding', 'UTF8');
  else if (row?.encoding === 'SQL_ASCII') {
    findings.add('warning', 'encoding', 'the database is SQL_ASCII: text that is not valid UTF-8 will be refused', { detail: 'a database with encoding UTF8 is the mend' });
  } else findings.add('note', 'encoding', `the database is ${row?.encoding}; the server converts to and from UTF-8`);
}

/** `1.5 GB`. */
export function sizeText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let [value, i] = [bytes, 0];
  while (value >= 1024 && i < units.length - 1) [value, i] = [value / 1024, i + 1];
  return `${i > 0 && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[i]}`;
}
