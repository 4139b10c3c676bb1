// For oracle tests: a table with a column of each type, and rows of edge values.
import type { Random } from '../base/index.ts';
import { type PgType, quoteLiteral } from '../data/index.ts';
import type { ScopeColumn } from './binder.ts';
import { builtin } from './types.ts';

const mood: PgType = { oid: 99_999, schema: 'public', name: 'mood', kind: 'enum', labels: ['sad', 'ok', 'happy'], binary: true };

export interface OracleColumn {
  readonly name: string;
  readonly sql: string;
  readonly type: PgType;
  readonly typmod: number;
  readonly values: readonly string[];
}

const column = (name: string, type: string, values: readonly string[], sql = type, typmod = -1): OracleColumn => ({
  name, sql, type: type === 'mood' ? mood : builtin(type), typmod, values,
});

export const columns: readonly OracleColumn[] = [
  column('c_i2', 'int2', ['0', '1', '-1', '7', '32767', '-32768']),
  column('c_i4', 'int4', ['0', '1', '-3', '10', '2147483647', '-2147483648', '46341']),
  column('c_i8', 'int8', ['0', '1', '-5', '9223372036854775807', '-9223372036854775808', '4294967296', '9007199254740993']),
  column('c_num', 'numeric', ['0', '1.50', '-2.5', '0.0001', '12345678901234567890.123456789', 'NaN', 'Infinity', '-Infinity', '3', '99999.995',
    '100.00']),
  column('c_f4', 'float4', ['0', '1.5', '-0.1', '3.4e38', '1e-40', 'NaN', 'Infinity', '16777217', '123456.7']),
  column('c_f8', 'float8', ['0', '-0', '1.5', '-2.5', '0.1', '1e308', '1e-300', 'NaN', '-Infinity', '1e15', '123456789012345.7', '2.5', '9.3e18']),
  column('c_txt', 'text', ['', 'abc', 'Hello World', 'É é ß', '  pad  ', '12', '-1.50', '2024-02-29', '😀x',
    'a,b,c', 'true', 'a%b_c', 'zebra', 'ok']),
  column('c_var', 'varchar', ['', 'abc', 'x y', 'Zürich', '7  '], 'varchar(10)', 14),
  column('c_chr', 'bpchar', ['', 'abc', 'x'], 'char(5)', 9),
  column('c_bool', 'bool', ['t', 'f']),
  column('c_date', 'date', ['2024-02-29', '1969-12-31', '0044-03-15 BC', 'infinity', '-infinity', '2000-01-01', '9999-12-31', '2021-01-03']),
  column('c_time', 'time', ['00:00:00', '23:59:59.999999', '24:00:00', '12:30:00.5']),
  column('c_ts', 'timestamp', ['2024-02-29 12:34:56.789012', '1969-12-31 23:59:59.5', 'infinity', '-infinity', '0044-03-15 12:00:00 BC',
    '2000-01-31 00:00:00', '294276-12-31 23:59:59']),
  column('c_tz', 'timestamptz', ['2024-02-29 12:34:56.789012+00', '1970-01-01 00:00:00+00', 'infinity', '2021-01-03 23:30:00+00']),
  column('c_iv', 'interval', ['1 mon', '1 day', '-1 year 2 days 03:04:05.6', '25:00:00', '1 year 6 mons', '00:00:00.000001', '-13 mons']),
  column('c_uuid', 'uuid', ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '00000000-0000-0000-0000-000000000000']),
  column('c_byt', 'bytea', ['\\x', '\\x00ff5c41', '\\x616263']),
  column('c_js', 'jsonb', ['null', '1', '-2.5', '"text"', 'true', '[]', '[1, "a", null, {"k": 2}]',
    '{"a": 1, "b": {"c": [true, null]}, "key": "v"}', '{"n": null, "big": 12345678901234567890}']),
  column('c_mood', 'mood', ['sad', 'ok', 'happy']),
  column('c_ia', 'int4[]', ['{}', '{1,2,3}', '{NULL,5}', '{{1,2},{3,4}}', '{-1}']),
  column('c_ta', 'text[]', ['{}', '{a,"b c",NULL}', '{ok,abc}', '{"",x}']),
];

export const scope: readonly ScopeColumn[] = columns.map(({ name, type, typmod }) => ({ name, type, typmod }));

export const oracleTable = `
  create type mood as enum ('sad', 'ok', 'happy');
  create table oracle (id int generated always as identity, ${columns.map(({ name, sql }) => `${name} ${sql}`).join(', ')});`;

/** The value as text with a mark, or the SQLSTATE of the failure. */
export const tryFunction = `
  create function oracle_try(expression text, row_id int) returns text language plpgsql as $$
  declare result text;
  begin
    execute format('select %s from oracle where id = $1', expression) into result using row_id;
    return coalesce('=' || result, 'NULL');
  exception when others then
    return '!' || sqlstate;
  end $$;`;

export function rowsToInsert(random: Random, count: number): string {
  const rows = Array.from({ length: count }, () =>
    columns.map(({ values, sql }) => (random.chance(0.12) ? 'null' : `${quoteLiteral(random.pick(values))}::${sql}`)).join(', '));
  return `insert into oracle (${columns.map(({ name }) => name).join(', ')}) values ${rows.map((row) => `(${row})`).join(', ')}`;
}
