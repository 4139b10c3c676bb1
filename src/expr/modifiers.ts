// Type modifiers: `numeric(10,2)`, `varchar(20)`, `char(5)`, `timestamp(3)`.
import { Decimal, type PgType, TimeOfDay, Timestamp } from '../data/index.ts';
import { evaluationFailed } from './errors.ts';
import { numericModifier } from './types.ts';

/** The change that an explicit cast to `type(modifier)` makes to a value. Undefined when the type has no modifier. */
export function modifier(type: PgType, typmod: number): ((value: any) => unknown) | undefined {
  if (typmod < 0) return undefined;
  if (type.kind === 'array' && type.element) {
    const element = modifier(type.element, typmod);
    return element && ((value: readonly unknown[]) => value.map((one) => (one === null ? null : element(one))));
  }
  switch (type.name) {
    case 'varchar':
      return (value: string) => characters(value, typmod - 4);
    case 'bpchar':
      return (value: string) => pad(characters(value, typmod - 4), typmod - 4);
    case 'numeric':
      return numeric(...numericModifier(typmod));
    case 'timestamp':
    case 'timestamptz':
      return (value: Timestamp) => (value.isFinite ? new Timestamp(value.kind, roundUs(value.epochUs, typmod)) : value);
    case 'time':
      return (value: TimeOfDay) => new TimeOfDay(Number(roundUs(BigInt(value.us), typmod)));
    default:
      return undefined;
  }
}

function characters(value: string, count: number): string {
  return value.length <= count ? value : [...value].slice(0, count).join('');
}

function pad(value: string, count: number): string {
  const missing = count - [...value].length;
  return missing > 0 ? value + ' '.repeat(missing) : value;
}

function numeric(precision: number, scale: number): (value: Decimal) => Decimal {
  const limit = precision - scale;
  return (value) => {
    if (value.isNaN) return value;
    if (!value.isFinite) return evaluationFailed('22003', 'numeric field overflow');
    const rounded = value.round(scale);
    const overflows = limit >= 0 ? rounded.abs().compare(new Decimal(10n ** BigInt(limit))) >= 0 : rounded.abs().compare(new Decimal(1n,
      -limit)) >= 0;
    return overflows ? evaluationFailed('22003', 'numeric field overflow') : rounded;
  };
}

function roundUs(us: bigint, digits: number): bigint {
  const unit = 10n ** BigInt(Math.max(0, 6 - digits));
  const half = unit / 2n;
  return us >= 0n ? ((us + half) / unit) * unit : -((-us + half) / unit) * unit;
}
