// Casts: which types convert to which, when by themselves, and how.
import { CalendarDate, Decimal, Interval, type Json, type PgType, TimeOfDay, Timestamp } from '../data/index.ts';
import { numberCast, numberTypes } from './numbers.ts';
import { evaluationFailed } from './errors.ts';
import { kindOf } from './json.ts';
import { parserOf, textOf } from './text-io.ts';
import { builtin, categoryOf, is, same, typeName } from './types.ts';
import { dateToTimestamp, timestampToDate, timestampToTime } from './time-math.ts';

/** When a cast happens: by itself (implicit), or only where it is written (explicit). */
export type CastContext = 'implicit' | 'explicit';

interface Cast {
  readonly implicit: boolean;
  readonly convert: (value: any) => unknown;
}

const casts = new Map<string, Cast>();
const same_ = (value: unknown): unknown => value;
const cast = (from: string, to: string, implicit: boolean, convert: Cast['convert']): void =>
  void casts.set(`${builtin(from).oid}>${builtin(to).oid}`, { implicit, convert });

/** A numeric type converts by itself to those that stand behind it. */
const widening = ['int2', 'int4', 'int8', 'numeric', 'float4', 'float8'];
for (const from of numberTypes) {
  for (const to of numberTypes) {
    const steps = widening.indexOf(to) - widening.indexOf(from);
    const toOid = to === 'oid' && from.startsWith('int');
    if (from === to || ((from === 'oid' || to === 'oid') && !toOid && !(from === 'oid' && /^int[48]$/.test(to)))) continue;
    cast(from, to, toOid || (from !== 'oid' && steps > 0), numberCast(from, to));
  }
}
cast('bool', 'int4', false, (value: boolean) => (value ? 1 : 0));
cast('int4', 'bool', false, (value: number) => value !== 0);

const unpad = (value: string): string => value.replace(/ +$/, '');
for (const from of ['text', 'varchar']) {
  for (const to of ['text', 'varchar', 'bpchar']) if (from !== to) cast(from, to, true, same_);
  cast(from, 'name', true, (value: string) => truncateName(value));
}
cast('bpchar', 'text', true, unpad);
cast('bpchar', 'varchar', true, unpad);
cast('bpchar', 'name', true, (value: string) => truncateName(unpad(value)));
cast('name', 'text', true, same_);
cast('name', 'varchar', false, same_);
cast('name', 'bpchar', false, same_);
cast('bool', 'text', false, (value: boolean) => String(value));
cast('bool', 'varchar', false, (value: boolean) => String(value));
cast('bool', 'bpchar', false, (value: boolean) => String(value));

cast('date', 'timestamp', true, (value: CalendarDate) => dateToTimestamp(value, 'timestamp'));
cast('date', 'timestamptz', true, (value: CalendarDate) => dateToTimestamp(value, 'timestamptz'));
cast('timestamp', 'timestamptz', true, (value: Timestamp) => new Timestamp('timestamptz', value.epochUs));
cast('timestamptz', 'timestamp', false, (value: Timestamp) => new Timestamp('timestamp', value.epochUs));
for (const from of ['timestamp', 'timestamptz']) {
  cast(from, 'date', false, timestampToDate);
  cast(from, 'time', false, timestampToTime);
}
cast('time', 'interval', true, (value: TimeOfDay) => new Interval(0, 0, BigInt(value.us)));
cast('interval', 'time', false, (value: Interval) => {
  if (!value.isFinite) return evaluationFailed('22008', 'cannot convert infinite interval to time');
  const day = 86_400_000_000n;
  return new TimeOfDay(Number(((value.us % day) + day) % day));
});

// json is computed as jsonb: a value of it is held parsed, not as its text.
cast('json', 'jsonb', true, same_);
cast('jsonb', 'json', false, same_);
cast('jsonb', 'bool', false, (value: Json) => (kindOf(value) === 'boolean' ? value : jsonCastFailed(value, 'boolean')));
for (const to of ['int2', 'int4', 'int8', 'numeric', 'float4', 'float8'] as const) {
  const convert = numberCast('numeric', to);
  const name = typeName(builtin(to));
  cast('jsonb', to, false, (value: Json) => (kindOf(value) === 'number' ? convert(Decimal.from(value as number)) : jsonCastFailed(value, name)));
}

function jsonCastFailed(value: Json, type: string): unknown {
  const kind = kindOf(value);
  // Since PostgreSQL 18 a JSON null becomes SQL's NULL.
  if (kind === 'null') return null;
  return evaluationFailed('22023', `cannot cast jsonb ${kind === 'number' ? 'numeric' : kind} to type ${type}`);
}

/** PostgreSQL's names have at most 63 bytes. */
function truncateName(text: string): string {
  let cut = text;
  while (Buffer.byteLength(cut) > 63) cut = [...cut].slice(0, -1).join('');
  return cut;
}

export function canCoerce(from: PgType, to: PgType, context: CastContext): boolean {
  return conversion(from, to, context) !== undefined;
}

/** How values of one type become the other's, not NULL ones. Undefined when PostgreSQL has no such cast in this context. */
export function conversion(from: PgType, to: PgType, context: CastContext): ((value: any) => unknown) | undefined {
  if (same(from, to)) return same_;
  const found = casts.get(`${from.oid}>${to.oid}`);
  if (found) return found.implicit || context === 'explicit' ? found.convert : undefined;
  if (from.kind === 'array' && to.kind === 'array' && from.element && to.element) {
    const element = conversion(from.element, to.element, context);
    return element && ((value: readonly unknown[]) => mapArray(value, element));
  }
  if (context === 'implicit') return undefined;
  if (categoryOf(to) === 'S') {
    const text = textOf(from);
    return is(to, 'name') ? (value) => truncateName(text(value)) : text;
  }
  if (categoryOf(from) !== 'S') return undefined;
  return parserOf(to);
}

function mapArray(value: readonly unknown[], convert: (value: any) => unknown): unknown[] {
  return value.map((one) => (one === null ? null : Array.isArray(one) ? mapArray(one, convert) : convert(one)));
}

