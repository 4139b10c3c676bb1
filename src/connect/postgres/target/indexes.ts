// The indexes that rules ask for: which are missing, the statements that make them, and how that is done so that nobody waits for them.
import { crashPoint, type Logger, MillraceError } from '../../../base/index.ts';
import { tableAddress } from '../../../data/index.ts';
import type { MissingIndex, TargetIndex, TargetTable } from '../../../flow/index.ts';
import { describePgError, longLived, type PgConnection, PgError } from '../../../wire/index.ts';
import { ident, qualified } from './sql-text.ts';

/** How a table stands to one of its indexes. */
interface IndexState {
  /** `invalid`: a process died while it was made. `making`: a session of the server is at it. `taken`: the name is another object's. */
  readonly state: 'noTable' | 'missing' | 'invalid' | 'making' | 'taken' | 'there';
  /** Of a partitioned table indexes cannot be made while others write. */
  readonly partitioned: boolean;
  /** A session makes an index of the table, this one or another. */
  readonly busy: boolean;
}

const stateSql = `
select w.i::text as i, (t.relkind = 'p')::text as partitioned, exists (select from pg_catalog.pg_stat_progress_create_index p where p.relid = t.oid)::text as busy, case when t.oid is null then 'noTable' when c.oid is null then 'missing' when x.indexrelid is null then 'taken' when x.indisvalid then 'there'
  when exists (select from pg_catalog.pg_stat_progress_create_index p where p.index_relid = x.indexrelid) then 'making' else 'invalid' end as state
from pg_catalog.json_to_recordset($1::json) as w(i int, schema text, "table" text, name text)
  left join pg_catalog.pg_namespace n on n.nspname = w.schema
  left join pg_catalog.pg_class t on t.relnamespace = n.oid and t.relname = w."table" and t.relkind in ('r', 'p')
  left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name
  left join pg_catalog.pg_index x on x.indexrelid = c.oid and x.indrelid = t.oid
order by w.i`;

async function readStates(connection: PgConnection, wanted: readonly { table: TargetTable; index: TargetIndex }[]): Promise<IndexState[]> {
  const list = wanted.map(({ table, index }, i) => ({ i, schema: table.schema, table: table.name, name: index.name }));
  const rows = await connection.rows<{ i: string; partitioned: string | null; busy: string; state: string }>(stateSql, [JSON.stringify(list)]);
  return rows.map((row) => ({ state: row.state as IndexState['state'], partitioned: row.partitioned === 'true', busy: row.busy === 'true' }));
}

/** The statement that makes an index; `written`: others may write to the table meanwhile. */
function indexSql(table: TargetTable, { name, on, using, where, unique }: TargetIndex, written: boolean): string {
  return `create ${unique ? 'unique ' : ''}index ${written ? 'concurrently ' : ''}if not exists ${ident(name)} on ${qualified(table)}${using === undefined ? '' : ` using ${ident(using)}`} (${on})${where === undefined ? '' : ` where ${where}`}`;
}

const dropSql = (table: TargetTable, index: TargetIndex, partitioned: boolean): string =>
  `drop index ${partitioned ? '' : 'concurrently '}if exists ${qualified({ schema: table.schema, name: index.name })}`;

const indexesOf = (tables: readonly TargetTable[]): { table: TargetTable; index: TargetIndex }[] => tables.flatMap((table) => (table.indexes ?? []).map((index) => ({ table, index })));

/** Of tables that are there, the indexes that are not, or not whole. */
export async function missingIndexes(connection: PgConnection, tables: readonly TargetTable[]): Promise<MissingIndex[]> {
  const wanted = indexesOf(tables);
  if (wanted.length === 0) return [];
  const states = await readStates(connection, wanted);
  return wanted.flatMap(({ table, index }, i) => {
    const { state, partitioned } = states[i] as IndexState;
    return state === 'there' || state === 'noTable' ? [] : [{ table, index, sql: indexSql(table, index, !partitioned) }];
  });
}

/** For a plan: the statements that make what is missing, for tables that are not there or not filled yet too. `isFilled`: then others write. */
export async function planIndexes(connection: PgConnection, tables: readonly TargetTable[], isFilled: (table: TargetTable) => boolean): Promise<{ sql: string; why: string; table: string }[]> {
  const wanted = indexesOf(tables);
  if (wanted.length === 0) return [];
  const states = await readStates(connection, wanted);
  return wanted.flatMap(({ table, index }, i) => {
    const { state, partitioned } = states[i] as IndexState;
    if (state === 'there' || state === 'making') return [];
    const address = tableAddress(table);
    const create = { sql: indexSql(table, index, isFilled(table) && !partitioned), why: `${address} has no index ${index.name}${isFilled(table) ? '' : '; it is made once the rows are there'}`, table: address };
    return state === 'invalid' ? [{ sql: dropSql(table, index, partitioned), why: `the index ${index.name} of ${address} was not finished`, table: address }, create] : [create];
  });
}

/** Whoever waits for a table's lock keeps all others from it who come behind. */
const patience = "set local lock_timeout = '3s'; set local statement_timeout = 0";

/** How often somebody else's work on the same table is looked at. */
const lookMs = 1000;

/** See IndexMaker.make. On a connection of its own, which is of no use any more after an error. */
export async function makeIndex(connection: PgConnection, { table, index }: MissingIndex, written: boolean, logger: Logger): Promise<void> {
  const object = `index ${qualified({ schema: table.schema, name: index.name })}`;
  // CONCURRENTLY is nothing for a transaction, and so not for settings that come with one.
  await connection.set({});
  if (!connection.pooled) await connection.set({ ...longLived(connection.major), lock_timeout: '0' });
  for (;;) {
    const [{ state, partitioned, busy }] = (await readStates(connection, [{ table, index }])) as [IndexState];
    if (state === 'there') return;
    if (state === 'noTable' || state === 'taken') {
      throw refused(table, index, state === 'taken' ? `${object} is the name of something else` : `there is no table ${tableAddress(table)}`, connection.where);
    }
    // Two that are made concurrently for one table wait for each other.
    if (busy) {
      await new Promise((resolve) => setTimeout(resolve, lookMs));
      continue;
    }
    const beside = written && !partitioned;
    if (state === 'invalid') await drop(connection, table, index, partitioned, logger);
    const sql = indexSql(table, index, beside);
    crashPoint('index.before-create');
    try {
      await connection.query(beside ? sql : `begin; ${patience}; ${sql}; commit`);
    } catch (error) {
      if (!(error instanceof PgError)) throw error;
      if (!beside) await connection.query('rollback');
      // Two processes may have begun at the same moment.
      if (error.code === '40P01') {
        await new Promise((resolve) => setTimeout(resolve, lookMs));
        continue;
      }
      if (['42P07', '42710'].includes(error.code) || (error.code === '23505' && error.table?.startsWith('pg_'))) continue;
      const described = describePgError(error, connection.where);
      if (described instanceof MillraceError && described.retriable) throw described;
      // What is left of a unique index would refuse rows.
      if (beside) await drop(connection, table, index, partitioned, logger);
      throw refused(table, index, error.message, connection.where, error);
    }
    crashPoint('index.after-create');
    logger.info('changed the target', { object, why: `a rule asks for an index of ${tableAddress(table)}`, sql });
  }
}

async function drop(connection: PgConnection, table: TargetTable, index: TargetIndex, partitioned: boolean, logger: Logger): Promise<void> {
  const sql = dropSql(table, index, partitioned);
  await connection.query(sql);
  logger.info('changed the target', { object: `index ${qualified({ schema: table.schema, name: index.name })}`, why: 'it was not finished', sql });
}

function refused(table: TargetTable, index: TargetIndex, message: string, where: string, cause?: PgError): MillraceError {
  const sql = indexSql(table, index, true);
  const hint = cause?.code === '23505' ? 'let these rows differ at the source, or take `unique` away; the index is tried again at the next start'
    : cause?.code === '42501' ? `let the owner of the table run it: ${sql}`
    : `mend the rule, or let the statement succeed at the target: ${sql}; the index is tried again at the next start`;
  return new MillraceError('INDEX_REFUSED', message, { where: `${where}, ${sql}`, hint, ...(cause?.detail === undefined ? {} : { detail: cause.detail }), ...(cause ? { cause } : {}) });
}
