// Changes of a type that lose nothing, by the texts of the types (pg_catalog.format_type). What is not known here to be harmless is not.

interface TypeText {
  readonly name: string;
  /** Of the modifier; empty: none. */
  readonly sizes: readonly number[];
  readonly array: boolean;
}

function parse(text: string): TypeText {
  const array = text.endsWith('[]');
  const plain = array ? text.slice(0, -2) : text;
  const [, before, inside, after] = /^(.*?)\(([\d, -]+)\)(.*)$/.exec(plain) ?? [];
  return { name: `${before ?? plain}${after ?? ''}`, sizes: inside?.split(',').map(Number) ?? [], array };
}

const integerDigits: Readonly<Record<string, number>> = { smallint: 5, integer: 10, bigint: 19 };
const integers = ['smallint', 'integer', 'bigint'];
/** Integers that a float holds exactly. */
const exactIn: Readonly<Record<string, readonly string[]>> = { real: ['smallint'], 'double precision': ['smallint', 'integer', 'real'] };
const strings = ['character', 'character varying', 'text'];
/** Types whose modifier is a length or a number of digits after the point: a larger one holds all values of a smaller one. */
const sized = ['character', 'character varying', 'bit varying', 'time without time zone', 'time with time zone', 'timestamp without time zone', 'timestamp with time zone', 'interval'];

/** Whether every value of `from` is a value of `to`, and the same one. */
export function holds(to: string, from: string): boolean {
  if (to === from || to === 'text') return true;
  const [wide, narrow] = [parse(to), parse(from)];
  if (wide.array !== narrow.array) return false;
  if (wide.name === narrow.name) {
    if (wide.name === 'numeric') return wide.sizes.length === 0 || (narrow.sizes.length > 0 && digits(wide) >= digits(narrow) && scale(wide) >= scale(narrow));
    return sized.includes(wide.name) && (wide.sizes.length === 0 || (narrow.sizes.length > 0 && (wide.sizes[0] ?? 0) >= (narrow.sizes[0] ?? 0)));
  }
  const whole = integerDigits[narrow.name];
  if (whole !== undefined && wide.name in integerDigits) return (integerDigits[wide.name] ?? 0) > whole;
  if (whole !== undefined && wide.name === 'numeric') return wide.sizes.length === 0 || digits(wide) >= whole;
  if (exactIn[wide.name]?.includes(narrow.name)) return true;
  if (wide.name === 'character varying' && strings.includes(narrow.name)) return wide.sizes.length === 0 || (narrow.sizes.length > 0 && (wide.sizes[0] ?? 0) >= (narrow.sizes[0] ?? 0));
  if (wide.name === 'text') return strings.includes(narrow.name);
  return wide.name === 'timestamp without time zone' && narrow.name === 'date';
}

const scale = ({ sizes }: TypeText): number => sizes[1] ?? 0;
/** Before the point. */
const digits = (type: TypeText): number => (type.sizes[0] ?? 0) - scale(type);

/**
 * Whether the rows that were there kept their values when the source changed the type from `from` to `to`: PostgreSQL refuses the change
 * otherwise, or nothing could happen to them. Elsewhere a column may have been rounded, or computed anew by USING, of which the stream tells nothing.
 */
export function keepsValues(from: string, to: string): boolean {
  if (from === to) return true;
  const [before, after] = [parse(from), parse(to)];
  if (before.array !== after.array) return false;
  if (integers.includes(before.name) && integers.includes(after.name)) return true;
  if (strings.includes(before.name) && strings.includes(after.name)) return true;
  return before.name === after.name && holds(to, from);
}

const numbers = [...integers, 'numeric', 'real', 'double precision'];
const withoutTime = ['date', 'time without time zone', 'time with time zone'];

/** Whether PostgreSQL may change a value of `from` without a word when it is stored as `to`: it rounds, or cuts a time off. What does not fit at all it refuses. */
export function changesSilently(from: string, to: string): boolean {
  if (holds(to, from)) return false;
  const [narrow, wide] = [parse(to), parse(from)];
  if (narrow.array !== wide.array) return false;
  if (numbers.includes(narrow.name) && numbers.includes(wide.name)) {
    if (narrow.name === 'numeric' && wide.name === 'numeric') return wide.sizes.length === 0 || scale(narrow) < scale(wide);
    return !(integers.includes(wide.name) && (integers.includes(narrow.name) || narrow.name === 'numeric'));
  }
  if (narrow.name === wide.name) return narrow.sizes.length > 0 && /^(time|interval)/.test(narrow.name);
  return wide.name.startsWith('timestamp') && withoutTime.includes(narrow.name);
}
