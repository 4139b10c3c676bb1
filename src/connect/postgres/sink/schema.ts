// The tables that Millrace keeps in a target: positions, states of tables, dead letters. Everything lives in the schema `millrace`.
import { MillraceError } from '../../../base/index.ts';
import { describePgError, type PgConnection, PgError } from '../../../wire/index.ts';
import { lockTargetSql } from '../target/lock.ts';
import { ensureWaitFor, waitForSql } from './wait-for.ts';

/** The format of the tables below. A release reads its own format and the one before; a newer one is refused. */
const schemaFormat = 1;

const ddl = [
  'create schema if not exists millrace',
  'create table if not exists millrace.meta (key text primary key, value text not null)',
  `insert into millrace.meta values ('format', '${schemaFormat}') on conflict (key) do nothing`,
  // The row with part '' holds the consumer's fence; the other parts are sources.
  `create table if not exists millrace.positions (
    consumer text not null, part text not null, epoch bigint not null default 0, fence bigint not null, position text,
    system_id text, timeline integer, updated_at timestamptz not null default pg_catalog.now(), primary key (consumer, part))`,
  `create table if not exists millrace.tables (
    consumer text not null, source text not null, source_table text not null, target_table text not null,
    state text not null check (state in ('copying', 'done')), snapshot_position text, rows bigint, source_oid bigint,
    updated_at timestamptz not null default pg_catalog.now(), primary key (consumer, source, source_table, target_table))`,
  // Ranges of a table's first key column that are loaded, each from the snapshot at its position; without bounds '' and as text.
  `create table if not exists millrace.chunks (
    consumer text not null, source text not null, source_table text not null, target_table text not null, key_from text not null, key_to text not null,
    position text not null, rows bigint not null, shape text not null, primary key (consumer, source, source_table, target_table, key_from, key_to))`,
  // Epochs that several sessions commit: which of them has its share of which; see lanes.ts.
  `create table if not exists millrace.lanes (
    consumer text not null, part text not null, lane integer not null, epoch bigint not null, position text not null, sharing jsonb not null, primary key (consumer, part, lane))`,
  'alter table millrace.tables add column if not exists shape jsonb, add column if not exists stopped jsonb',
  `create table if not exists millrace.dead_letters (
    id bigint generated always as identity primary key, consumer text not null, source_table text not null, target_table text not null,
    key jsonb not null, key_bytes bytea, op text not null, position text not null, seq bigint not null,
    code text not null, message text not null, "column" text, "row" jsonb, tuple bytea, old_key bytea, relation jsonb not null,
    state text not null default 'open' check (state in ('open', 'superseded', 'joined', 'replayed', 'dropped')),
    joins bigint, created_at timestamptz not null default pg_catalog.now(), closed_at timestamptz)`,
  `create index if not exists dead_letters_open on millrace.dead_letters (consumer, target_table) where state in ('open', 'joined')`,
];

/** The DDL of the schema, for review before it runs. */
export const millraceSchemaSql = (): string => [...ddl, waitForSql].map((statement) => `${statement};`).join('\n');

/** Makes the schema where it is missing (needs CREATE on the database then) and checks its format. */
export async function ensureSchema(connection: PgConnection): Promise<void> {
  if (!(await schemaIsThere(connection))) {
    // Two processes that start together would collide in "if not exists"; the lock lets the second one find everything there.
    await connection.query(`begin; ${lockTargetSql}; ${ddl.join('; ')}; commit`).catch(async (error: unknown) => {
      await connection.query('rollback');
      throw error;
    });
  }
  const [row] = await connection.rows<{ value: string }>("select value from millrace.meta where key = 'format'");
  if (Number(row?.value) > schemaFormat) {
    throw new MillraceError('LOG_VERSION', `the schema "millrace" of the target has format ${row?.value}; this release knows ${schemaFormat}`, {
      where: connection.where,
    });
  }
  await ensureWaitFor(connection);
}

/** Whether everything is there, also what a later release has added. */
export async function schemaIsThere(connection: PgConnection): Promise<boolean> {
  const [row] = await connection.rows<{ n: string }>(
    `select count(*) + count(a.attname) as n
     from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       left join pg_catalog.pg_attribute a on a.attrelid = c.oid and c.relname = 'tables' and a.attname = 'stopped'
     where n.nspname = 'millrace' and c.relname in ('meta', 'positions', 'tables', 'chunks', 'lanes', 'dead_letters')`,
  );
  return row?.n === '7';
}

/** A server's error as a MillraceError; where it says that the schema itself is gone, with what follows from that. */
export function describeTargetError(error: unknown, where: string): unknown {
  const isGone = error instanceof PgError && ['42P01', '3F000'].includes(error.code) && /["\s]millrace["\s.]/.test(error.message);
  if (!isGone) return describePgError(error, where);
  return new MillraceError('SERVER_ERROR', 'somebody has removed the schema "millrace" or a table of it, and with it how far the replica is', {
    where, detail: error.message, cause: error,
    hint: 'restore it from a backup and start `millrace up` again; without one, empty the tables that this replica writes first: all of them are read again then',
  });
}
