// For oracle tests: random SQL expressions, typed by templates. `{int4}` in a template stands for an expression of the type.
import type { Random } from '../base/index.ts';
import { columns } from './oracle-rows.ts';

const numbers = ['int2', 'int4', 'int8', 'numeric', 'float4', 'float8'];
const ordered = [...numbers, 'text', 'varchar', 'bpchar', 'bool', 'date', 'time', 'timestamp', 'timestamptz', 'interval', 'uuid', 'bytea', 'mood',
  'int4[]', 'text[]'];
const moments = ['date', 'timestamp', 'timestamptz'];
const cross = (list: readonly string[], make: (a: string, b: string) => string): string[] => list.flatMap((a) => list.map((b) => make(a, b)));

const templates: Record<string, string[]> = {
  bool: [
    ...ordered.flatMap((type) => ['=', '<>', '<', '<=', '>', '>=', 'is distinct from', 'is not distinct from'].map((op) =>
      `{${type}} ${op} {${type}}`)),
    ...cross(numbers, (a, b) => `{${a}} < {${b}}`), ...cross(numbers, (a, b) => `{${a}} = {${b}}`), ...cross(moments, (a, b) => `{${a}} >= {${b}}`),
    '{bool} and {bool}', '{bool} or {bool}', 'not {bool}', '{bool} is true', '{bool} is not false', '{bool} is unknown', '{bool} is not unknown',
    '{bool} and {bool} or {bool}', '{text} is null', '{numeric} is not null',
    '{int4} between {int4} and {int8}', '{numeric} not between {int4} and {numeric}', '{text} between symmetric {text} and {text}',
      '{int4} in (1, 2, {int4}, null)', '{text} not in (\'abc\', \'ok\', \'x\')',
    '{int4} in (1, 10, 2.5)', '{mood} in (\'sad\', \'ok\')', "{mood} = 'happy'", "{date} > '2020-01-01'", "{timestamptz} <= '2021-06-01 00:00+02'",
      "{numeric} = '1.5'", "{uuid} = 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'",
    '{int4} = any({int4[]})', '{int4} <> all({int4[]})', "{mood} = any('{sad,happy}')", "{mood} <> all(array['ok', {text}]::mood[])",
      "{text} in ('abc', 'ok', 'zebra', 'x')", '{int8} not in (1, 0, -5, 4294967296)', "{mood} in ('sad', 'ok', 'happy')",
      "{text} = any('{abc,ok,NULL}')", '{int8} > any({int4[]})', "{text} like any(array['a%', '%o%'])",
    "{text} like 'a%'", "{text} like '%b_c%'", "{text} like '%\\%%'", "{text} ilike '%É%'", "{text} not ilike 'h%d'", "{bpchar} like 'abc%'",
      "{varchar} like '_ %'", "{text} like 'a!%%' escape '!'",
    "{text} ~ '^[a-c]+$'", "{text} ~* 'HELLO\\s+w'", "{text} !~ '\\d{2}'", "{text} ~ '[[:alpha:]]{3}|^$'", "{text} !~* '^.x$'",
      "{text} ~ '(a|b),(b|c)'",
    "{jsonb} @> '{\"a\": 1}'", "{jsonb} ? 'a'", '{jsonb} = {jsonb}', "{jsonb} <@ '[1, \"a\", null, {\"k\": 2}, 5]'", "{jsonb} ?| array['k', 'n']",
      'starts_with({text}, {text})', '{text}::bool', '{int4}::bool', '({jsonb})::bool',
    "coalesce({bool}, false)", 'isfinite({timestamp})', "({jsonb} ->> 'a') = '1'",
  ],
  int2: ['{int2} + {int2}', '{int2} * {int2}', '-{int2}', 'abs({int2})', '{int4}::int2', '{numeric}::int2', '{float8}::smallint', '{int2} / {int2}',
    '{int2} % {int2}'],
  int4: [
    '{int4} + {int4}', '{int4} - {int2}', '{int4} * {int4}', '{int2} / {int4}', '{int4} % {int4}', '-{int4}', '+{int4}', '@{int4}', 'abs({int4})',
      'mod({int4}, {int4})', 'length({text})', 'char_length({varchar})', 'length({bpchar})', 'octet_length({text})',
    "position('b' in {text})", 'strpos({text}, {text})', 'ascii({text})', '{int8}::int4', '{numeric}::int', '{float8}::int', '{float4}::int4',
      '{text}::int', '{bool}::int', 'case when {bool} then {int4} else {int2} end', "case {text} when 'abc' then 1 when 'ok' then 2 end",
    'coalesce({int4}, {int2})', 'nullif({int4}, {int4})', 'greatest({int4}, {int2})', 'least({int4}, {int4}, {int4})', 'cardinality({int4[]})',
      'array_length({text[]}, 1)', 'array_length({int4[]}, 2)', '({int4[]})[1]', '({int4[]})[{int2}]', '{date} - {date}', 'length({bytea})',
      'array_position({int4[]}, {int4})', "({jsonb})::int4",
  ],
  int8: ['{int8} + {int8}', '{int8} - {int4}', '{int8} * {int4}', '{int8} / {int8}', '{int2} + {int8}', '{int8} % {int8}', '-{int8}', 'abs({int8})',
    '{numeric}::int8', '{float8}::bigint', '{text}::bigint', '{int4}::int8', 'coalesce({int8}, {int4})', 'greatest({int8}, {int4})',
    'case when {bool} then {int8} else {int4} end'],
  numeric: [
    '{numeric} + {numeric}', '{numeric} - {int4}', '{numeric} * {numeric}', '{numeric} / {numeric}', '{numeric} % {numeric}', '{numeric} / {int4}',
      '{int8} + {numeric}', '-{numeric}', 'abs({numeric})', 'round({numeric})', 'round({numeric}, 2)', 'round({numeric}, -1)', 'ceil({numeric})',
      'floor({numeric})',
    'trunc({numeric})', 'trunc({numeric}, 1)', 'sign({numeric})', 'mod({numeric}, {numeric})', 'sqrt({numeric})', '{int4}::numeric',
      '{float8}::numeric', '{float4}::numeric', '{text}::numeric', '{numeric}::numeric(10,2)', '{numeric}::numeric(3,1)', '{int4}::numeric(5)',
      '{numeric} ^ 2', 'power({numeric}, 3)', '{numeric} ^ -1',
    'coalesce({numeric}, 0)', 'greatest({numeric}, {int4})', 'nullif({int4}, 2.5)', 'extract(year from {date})', 'extract(epoch from {timestamp})',
      'extract(second from {timestamp})', 'extract(week from {timestamptz})', 'extract(isodow from {date})', 'extract(doy from {timestamp})',
      'extract(isoyear from {date})', 'extract(century from {date})', 'extract(decade from {timestamp})', 'extract(quarter from {date})',
    'extract(hour from {time})', 'extract(epoch from {interval})', 'extract(month from {interval})', 'extract(milliseconds from {time})',
      'extract(millennium from {date})', 'extract(minute from {interval})', "({jsonb} -> 'a')::numeric", '{numeric} * 1.50', '1e3 + {numeric}',
      '{numeric} / 3.0',
  ],
  float4: ['{float4} + {float4}', '{float4} * {float4}', '{float4} / {float4}', '-{float4}', 'abs({float4})', '{float8}::float4', '{numeric}::real',
    '{int4}::real', '{text}::float4'],
  float8: ['{float8} + {float8}', '{float8} - {float4}', '{float8} * {float8}', '{float8} / {float8}', '-{float8}', 'abs({float8})',
    'ceil({float8})', 'floor({float8})', 'round({float8})', 'trunc({float8})', 'sqrt({float8})', '{float4} + {int4}', '{numeric} + {float8}',
    '{text}::float8', '{numeric}::float8', '{int8}::float8', '{int4} ^ 2', "date_part('hour', {date})", "date_part('year', {timestamp})",
    'sign({float8})', 'power({int2}, 2)', 'greatest({float8}, {int4})'],
  text: [
    '{text} || {text}', '{text} || {int4}', '{mood} || {text}', '{text} || {bool}', '{text} || {bpchar}', 'lower({text})', 'upper({text})',
      "initcap(encode(convert_to({text}, 'UTF8'), 'escape'))", 'btrim({text})', "trim(both 'a ' from {text})", "ltrim({text}, 'aH')",
      'rtrim({bpchar})', 'substring({text} from 2)', 'substring({text}, {int4}, 3)', 'substr({text}, -1, 4)', 'substring({text} from 2 for {int4})',
    'left({text}, 2)', 'left({text}, -1)', 'right({text}, 2)', 'right({text}, -2)', "replace({text}, 'b', {text})", "split_part({text}, ',', 2)",
      "split_part({text}, ',', -1)", 'concat({text}, {int4}, {bool}, {numeric})', "concat_ws('-', {text}, {date}, {float8})",
      "lpad({text}, 6, '*é')", 'rpad({text}, 4)', 'lpad({text}, {int2})', 'reverse({text})', 'repeat({text}, 2)',
    'md5({text})', "encode({bytea}, 'hex')", "encode({bytea}, 'base64')", "encode({bytea}, 'escape')", "encode(sha256({bytea}), 'hex')",
      "translate({text}, 'abc', 'xy')", "overlay({text} placing 'zz' from 2 for 1)", '{int4}::text', '{numeric}::text', '{float8}::text',
      '{float4}::text', '{bool}::text', '{date}::text', '{timestamptz}::text', '{interval}::text', '{jsonb}::text', '{mood}::text', '{bytea}::text',
      '{uuid}::text', '{int4[]}::text', '{text[]}::text', '{time}::text', '{bpchar}::text',
    'coalesce({text}, {varchar})', "nullif({text}, 'abc')", 'greatest({text}, {varchar})', "case when {bool} then {text} else 'no' end",
      "{jsonb} ->> 'key'", '{jsonb} ->> 1', "{jsonb} #>> '{b,c,0}'", "jsonb_extract_path_text({jsonb}, 'b', 'c')", 'jsonb_typeof({jsonb})',
      '{text}::varchar(3)', '{text}::char(4)', '({text[]})[2]', "array_to_string({text[]}, '|')", '{varchar} || {varchar}',
  ],
  varchar: ['{text}::varchar(3)', '{int4}::varchar(2)', 'coalesce({varchar}, {varchar})'],
  bpchar: ['{text}::char(4)', '{varchar}::char(2)', 'nullif({bpchar}, {bpchar})'],
  date: ['{date} + {int4}', '{int2}::int4 + {date}', '{date} - 7', '{timestamp}::date', '{timestamptz}::date', '({date}::text)::date',
    'coalesce({date}, {date})', 'greatest({date}, {date})', 'make_date({int2}, 2, 3)', "'2024-01-31'::date + {int2}::int4"],
  time: ['{time} + {interval}', '{time} - {interval}', '{timestamp}::time', '{interval}::time', '{time}::time(2)', '{timestamptz}::time'],
  timestamp: ['{timestamp} + {interval}', '{timestamp} - {interval}', '{date} + {interval}', '{date} - {interval}', '{date} + {time}',
    "date_trunc('month', {timestamp})", "date_trunc('week', {timestamp})", "date_trunc('quarter', {timestamp})",
    "date_trunc('decade', {timestamp})", "date_trunc('century', {timestamp})", "date_trunc('hour', {timestamp})",
    "date_trunc('milliseconds', {timestamp})", '{date}::timestamp', "{timestamptz} at time zone 'UTC'", '{timestamptz}::timestamp',
    '{timestamp}::timestamp(3)', "{timestamp} + interval '1 month'", 'coalesce({timestamp}, {date})'],
  timestamptz: ['{timestamptz} + {interval}', "{timestamp} at time zone 'UTC'", "date_trunc('day', {timestamptz})", "date_trunc('day', {date})",
    '{date}::timestamptz', '{timestamp}::timestamptz', '{timestamptz} - {interval}', 'greatest({timestamptz}, {date})', 'to_timestamp({int4})',
    "date_trunc('millennium', {timestamptz})", "date_trunc('year', {timestamptz})"],
  interval: ['{timestamp} - {timestamp}', '{timestamptz} - {timestamptz}', '{time} - {time}', '{interval} + {interval}', '{interval} - {interval}',
    '-{interval}', '{time}::interval', '{timestamp} - {date}', '({interval}::text)::interval'],
  uuid: ['{text}::uuid', 'coalesce({uuid}, {uuid})'],
  bytea: ['{bytea} || {bytea}', 'sha256({bytea})', '{text}::bytea', "decode('00ff', 'hex') || {bytea}", "convert_to({text}, 'UTF8')"],
  jsonb: ["{jsonb} -> 'a'", '{jsonb} -> 0', '{jsonb} -> -1', "{jsonb} -> 'b' -> 'c'", "{jsonb} #> '{b,c}'", '({int4}::text)::jsonb',
    "('\"' || left({text}, 3) || '\"')::jsonb", '({mood}::text)::jsonb', 'coalesce({jsonb}, {jsonb})', 'jsonb_strip_nulls({jsonb})',
    "jsonb_extract_path({jsonb}, 'b')"],
  mood: ['{text}::mood', 'coalesce({mood}, {mood})', 'greatest({mood}, {mood})', "case when {bool} then {mood} else 'ok' end"],
  'int4[]': ['array[{int4}, 2, {int2}]', '{text[]}::int4[]', "coalesce({int4[]}, '{7}')"],
  'text[]': ["array[{text}, 'x']", '{int4[]}::text[]', 'array[]::text[]'],
};

export class ExpressionMaker {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  expression(): string {
    return this.#make(this.#random.pick(Object.keys(templates)), 3);
  }

  #make(type: string, depth: number): string {
    if (depth === 0 || this.#random.next() < 0.15) return this.#leaf(type);
    const template = this.#random.pick(templates[type] as string[]);
    const fill = (whole: string, inner: string): string => (inner in templates ? this.#make(inner, depth - 1) : whole);
    return `(${template.replace(/\{([a-z0-9]+(?:\[\])?)\}/g, fill)})`;
  }

  #leaf(type: string): string {
    const fitting = columns.filter((column) => (column.type.kind === 'array' ? `${column.type.element!.name}[]` : column.type.name) === type);
    return this.#random.pick(fitting).name;
  }
}
