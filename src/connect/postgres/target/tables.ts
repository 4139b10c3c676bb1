// Tables of the target: the one that is to be made, and the differences of one that is there.
import { baseType, displayIdent, tableAddress } from '../../../data/index.ts';
import type { TargetColumn, TargetTable } from '../../../flow/index.ts';
import type { PgConnection } from '../../../wire/index.ts';
import { type ActualColumn, type ActualTable, arbiterFor } from './actual-table.ts';
import { rekey, renamedFrom, retype } from './evolve.ts';
import type { DdlStatement, TargetProblem } from './statement.ts';
import { ownerOf } from './privileges.ts';
import { changesSilently, holds } from './retype.ts';
import { block, ident, literal, qualified } from './sql-text.ts';
import { plainText } from './target-types.ts';

/** `same`: type and modifier are equal. `cast`: the target's type can be assigned from the wanted one. */
export type Fit = 'same' | 'cast';

const keyNames = (table: TargetTable): string[] => table.key.map((i) => (table.columns[i] as TargetColumn).name);

/** Columns, NOT NULL and the primary key. No foreign keys, no secondary uniques; identity and generated columns are plain ones. */
export function planCreate(table: TargetTable, role: string): DdlStatement {
  const key = keyNames(table);
  const lines = table.columns.map((column) => `${ident(column.name)} ${column.typeText}${column.notNull || key.includes(column.name) ? ' not null' : ''}`);
  if (key.length > 0) lines.push(`primary key (${key.map(ident).join(', ')})`);
  return {
    sql: `create table if not exists ${qualified(table)} ${block(lines)}`,
    why: `${tableAddress(table)} is not there`,
    object: `table ${qualified(table)}`,
    table: tableAddress(table),
    grant: `grant usage, create on schema ${ident(table.schema)} to ${role}`,
    makesIn: table.schema,
  };
}

/** A column that is new in a table with rows, each of which has a value in it at the source. */
const isFilled = (column: TargetColumn, table: TargetTable): boolean => column.filled === true && !column.was && table.keyWas !== undefined && !table.frozen;

export interface Planned {
  readonly ddl: DdlStatement[];
  readonly problems: TargetProblem[];
  /** What is done without a statement, by address. */
  readonly notes: { table: string; what: string }[];
  /** Addresses of tables whose rows may differ from the source's afterwards. */
  readonly readAgain: Set<string>;
}

/** Whether a replica has filled a table; `never`: it was made for that. */
export type Filled = 'once' | 'never';

/** Compares a table that is there: appends what it needs and the problems, returns how the columns fit. `loaded` undefined: no replica has to do with it. */
export async function planExisting(
  connection: PgConnection, table: TargetTable, actual: ActualTable, loaded: Filled | undefined, role: string, { ddl, problems, notes, readAgain }: Planned,
): Promise<Record<string, Fit>> {
  const address = tableAddress(table);
  const name = qualified(table);
  const alter = (sql: string, why: string): void => void ddl.push({ sql, why, object: `table ${name}`, table: address, grant: ownerOf(`table ${name}`, role), owned: actual.owned });
  const problem = (level: 'error' | 'warning', message: string, hint: string, column?: string): void =>
    void problems.push({ level, table: address, ...(column === undefined ? {} : { column }), message, hint });

  if (actual.relkind !== 'r' && actual.relkind !== 'p') {
    const kinds: Readonly<Record<string, string>> = { v: 'a view', m: 'a materialized view', f: 'a foreign table' };
    problem('error', `${address} is ${kinds[actual.relkind] ?? 'no table'} at the target`, 'name another table with `to`');
    return {};
  }
  if (actual.rowSecurity) problem('error', `row-level security applies to ${role} on ${address}, so rows cannot be written by COPY`, `alter role ${role} bypassrls`);
  for (const one of actual.unlogged) problem('warning', `${one} is unlogged: a crash of the server empties it, while the replica's position stays`, `alter table ${one} set logged`);

  const fits: Record<string, Fit> = {};
  const pairs: { wanted: TargetColumn; actual: ActualColumn }[] = [];
  const renamed = new Set<string>();
  for (const column of table.columns) {
    const there = actual.columns.find((candidate) => candidate.name === column.name);
    const before = there ?? renamedFrom(column, table, actual);
    if (before) pairs.push({ wanted: column, actual: before });
    if (before && !there) {
      renamed.add(before.name);
      alter(`alter table ${name} rename column ${ident(before.name)} to ${ident(column.name)}`, `column ${displayIdent(before.name)} of ${address} is called ${displayIdent(column.name)} now`);
    } else if (!there) {
      // The default stays: rows that the source changed before it had the column, and that arrive later, get it too.
      alter(`alter table ${name} add column if not exists ${ident(column.name)} ${column.typeText}${column.missing === undefined ? '' : ` default ${literal(column.missing)}`}`,
        `${address} has no column ${displayIdent(column.name)}`);
    }
  }
  for (const column of loaded === 'once' ? (table.reused ?? []) : []) {
    notes.push({ table: address, what: `the name of column ${displayIdent(column)} belongs to another column now` });
    readAgain.add(address);
  }
  for (const column of table.columns.filter((one) => loaded && isFilled(one, table))) {
    notes.push({ table: address, what: `rows that are there have values of their own in the new column ${displayIdent(column.name)}` });
    readAgain.add(address);
  }
  for (const partition of loaded === 'once' ? (table.attached ?? []) : []) {
    notes.push({ table: address, what: `partition ${partition} came with rows, which the stream does not have` });
    readAgain.add(address);
  }
  for (const partition of loaded === 'once' ? (table.detached ?? []) : []) {
    notes.push({ table: address, what: `partition ${partition} is gone; its rows stay at the target: delete them there, or read the table again with \`millrace resync\`` });
  }
  const castable = await assignable(connection, pairs);
  pairs.forEach(({ wanted, actual: there }, i) => {
    const column = ident(wanted.name);
    // Where there is a problem, nothing is renamed yet.
    const now = ident(there.name);
    const retyped = retype(wanted, there, table.frozen ?? false, loaded === 'never');
    if (there.typeText === wanted.typeText) fits[wanted.name] = 'same';
    else if (loaded === 'once' && there.name === wanted.name && table.reused?.includes(wanted.name) && !holds(there.typeText, wanted.typeText)) {
      problem('error', `column ${displayIdent(wanted.name)} of ${address} is ${wanted.typeText} at the source, and what the target has of an earlier column of that name is ${there.typeText}`,
        `alter table ${name} drop column ${column}`, wanted.name);
    }
    else if (loaded === 'once' && castable[i] && table.keyWas !== undefined && !wanted.was && changesSilently(wanted.typeText, there.typeText)) {
      problem('error', `column ${displayIdent(wanted.name)} of ${address} is new and ${wanted.typeText} at the source, and ${there.typeText} at the target does not hold all its values`,
        `alter table ${name} alter column ${now} type ${wanted.typeText}`, wanted.name);
    } else if (castable[i] && retyped !== 'refused') {
      fits[wanted.name] = 'cast';
      if (retyped === undefined && changesSilently(wanted.typeText, there.typeText)) {
        problem('warning', `column ${displayIdent(wanted.name)} of ${address} is ${wanted.typeText} at the source and ${there.typeText} at the target, so its values are rounded or cut`,
          `alter table ${name} alter column ${now} type ${wanted.typeText}`, wanted.name);
      }
    }
    else if (typeof retyped !== 'object') {
      problem('error', retyped === 'refused'
        ? `column ${displayIdent(wanted.name)} of ${address} is ${wanted.typeText} at the source now, and ${there.typeText} at the target does not hold all its values`
        : `column ${displayIdent(wanted.name)} of ${address} is ${there.typeText} at the target, and ${wanted.typeText} cannot be assigned to it`,
      `alter table ${name} alter column ${now} type ${wanted.typeText} using ${now}::text::${wanted.typeText}`, wanted.name);
    }
    if (typeof retyped === 'object') {
      if (retyped.alter === undefined) notes.push({ table: address, what: retyped.say });
      else alter(`alter table ${name} alter column ${column} ${retyped.alter}`, retyped.say);
      if (retyped.readAgain) readAgain.add(address);
    }
    const isKey = keyNames(table).includes(wanted.name) || actual.primaryKey?.columns.includes(there.name);
    if (loaded && (wanted.was?.notNull === true || table.reused?.includes(wanted.name) === true) && !wanted.notNull && there.notNull && !isKey) {
      alter(`alter table ${name} alter column ${column} drop not null`, `column ${displayIdent(wanted.name)} of ${address} may be NULL now`);
    }
    if (there.generated !== 'no') {
      problem('error', `column ${displayIdent(wanted.name)} of ${address} is generated at the target, so it cannot be written`,
        there.generated === 'stored' ? `alter table ${name} alter column ${now} drop expression` : `leave it out: drop: [${wanted.name}]`, wanted.name);
    }
    if (there.identity === 'always') {
      problem('warning', `column ${displayIdent(wanted.name)} of ${address} is generated always as identity, so merges cannot update it`,
        `alter table ${name} alter column ${column} set generated by default`, wanted.name);
    }
  });
  for (const there of actual.columns) {
    const filled = there.hasDefault || there.generated !== 'no' || there.identity !== 'no' || !there.notNull;
    if (filled || renamed.has(there.name) || table.columns.some((column) => column.name === there.name)) continue;
    const inKey = actual.primaryKey?.columns.includes(there.name);
    // With another key, its NOT NULL goes with the old one.
    if (inKey && rekey(table, actual)) continue;
    if (loaded && !inKey && !table.frozen) {
      alter(`alter table ${name} alter column ${ident(there.name)} drop not null`, `the source no longer has column ${displayIdent(there.name)} of ${address}`);
      continue;
    }
    problem('error', `column ${displayIdent(there.name)} of ${address} is NOT NULL at the target, has no default, and the rows do not carry it`,
      `alter table ${name} alter column ${ident(there.name)} drop not null`, there.name);
  }
  const followed = loaded ? rekey(table, actual) : undefined;
  if (followed && table.key.some((i) => isFilled(table.columns[i] as TargetColumn, table))) {
    alter(`truncate ${name}`, `the rows of ${address} cannot have its new key before they are read again`);
  }
  if (followed) alter(followed.sql, followed.why);
  else planKey(table, actual, pairs, problem);
  return fits;
}

function planKey(
  table: TargetTable, actual: ActualTable, pairs: readonly { wanted: TargetColumn; actual: ActualColumn }[], problem: (level: 'error' | 'warning', message: string, hint: string) => void,
): void {
  const key = keyNames(table);
  if (key.length === 0 || arbiterFor(actual, key.map((name) => pairs.find(({ wanted }) => wanted.name === name)?.actual.name ?? name))) return;
  const [address, name, columns] = [tableAddress(table), qualified(table), key.map(ident).join(', ')];
  const deferrable = [...(actual.primaryKey ? [actual.primaryKey] : []), ...actual.uniques].find(
    (constraint) => constraint.deferrable && constraint.columns.length === key.length && key.every((column) => constraint.columns.includes(column)),
  );
  const why = deferrable ? `the key ${deferrable.name} of ${address} is deferrable` : `${address} has no unique key on (${columns}) at the target`;
  problem('warning', `${why}, so its rows are applied on the slow path`,
    deferrable ? `create unique index on ${name} (${columns})` : `alter table ${name} add ${actual.primaryKey ? 'unique' : 'primary key'} (${columns})`);
}

// Both types are brought to what is beneath domains, then beneath arrays; a string takes anything by its text form.
const castSql = `
with recursive pairs as (
  select w.i, pg_catalog.to_regtype(w.wanted)::oid as s, w.actual::oid as t from json_to_recordset($1::json) as w(i int, wanted text, actual int8)
), steps as (
  select i, s, t, 0 as depth from pairs
  union all
  select p.i, coalesce(nullif(a.typbasetype, 0), case when both_arrays then a.typelem end, p.s),
         coalesce(nullif(b.typbasetype, 0), case when both_arrays then b.typelem end, p.t), p.depth + 1
  from steps p join pg_catalog.pg_type b on b.oid = p.t left join pg_catalog.pg_type a on a.oid = p.s,
    lateral (select a.typcategory = 'A' and b.typcategory = 'A' and a.typbasetype = 0 and b.typbasetype = 0 as both_arrays) as arrays
  where p.depth < 16 and (a.typbasetype <> 0 or b.typbasetype <> 0 or both_arrays)
), ends as (select distinct on (i) i, s, t from steps order by i, depth desc)
select e.i::text, coalesce(e.s = e.t, false) or b.typcategory = 'S' or exists (
    select from pg_catalog.pg_cast c where c.castsource = e.s and c.casttarget = e.t and c.castcontext in ('i', 'a')) as ok
from ends e join pg_catalog.pg_type b on b.oid = e.t order by e.i`;

async function assignable(connection: PgConnection, pairs: readonly { wanted: TargetColumn; actual: ActualColumn }[]): Promise<boolean[]> {
  const differing = pairs.flatMap((pair, i) => (pair.wanted.typeText === pair.actual.typeText ? [] : [{ i, wanted: plainText(baseType(pair.wanted.type)), actual: pair.actual.typeOid }]));
  const result = pairs.map(() => true);
  if (differing.length === 0) return result;
  const rows = await connection.rows<{ i: string; ok: string }>(castSql, [JSON.stringify(differing)]);
  for (const { i } of differing) result[i] = rows.find((row) => row.i === String(i))?.ok === 't';
  return result;
}
